/** The reference: Swagger UI over the document of the service that serves this page. */
import SwaggerUI from "swagger-ui-dist/swagger-ui-es-bundle.js";
import "swagger-ui-dist/swagger-ui.css";
import "./reference.css";

const dark = matchMedia("(prefers-color-scheme: dark)");
function followColourScheme(): void {
  document.documentElement.classList.toggle("dark-mode", dark.matches);
}
followColourScheme();
dark.addEventListener("change", followColourScheme);

/** A link inside of the button that opens an operation is nothing that a keyboard or a reader can tell apart. */
const plainNames = ({ React }: { React: { createElement(...parts: unknown[]): unknown } }) => ({
  wrapComponents: {
    DeepLink: () => (props: Readonly<Record<string, unknown>>) =>
      React.createElement("span", { className: "nostyle" }, props["text"]),
  },
});

/** Swagger UI shows what each selection is for, but gives few of them a name for who can't see it. */
function nameSelections(): void {
  for (const select of document.querySelectorAll<HTMLSelectElement>("select:not([aria-label])")) {
    const parameter = select.closest<HTMLElement>("[data-param-name]")?.dataset["paramName"];
    const isMediaType = /^[a-z]+\/./.test(select.value);
    const name = select.id === "servers" ? "Server" : (parameter ?? (isMediaType ? "Media type" : "Example"));
    select.setAttribute("aria-label", name);
  }
}
const root = document.querySelector("#reference");
if (root !== null) new MutationObserver(nameSelections).observe(root, { childList: true, subtree: true });

SwaggerUI({
  url: "/openapi.json",
  dom_id: "#reference",
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  plugins: [plainNames],
  syntaxHighlight: { theme: "tomorrow-night" },
  // The library would have a validator on the Internet look at the document.
  validatorUrl: null,
});
