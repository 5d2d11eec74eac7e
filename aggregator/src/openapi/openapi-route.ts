/** `GET /openapi.json`: what this process serves, as a document. It is made when somebody first asks for it. */
import { version } from "../../package.json";
import type { Endpoint, Route } from "../route.ts";
import { ASK_AGAIN, makeServedFile, type ServedFile, serveFile } from "../served-file.ts";
import { describeApi } from "./document.ts";
import { SHOW_OPENAPI } from "./openapi-endpoint.ts";

export class OpenApiRoute {
  readonly routes: readonly Route[] = [{ ...SHOW_OPENAPI, handle: (request) => this.handle(request) }];
  readonly #others: readonly Endpoint[];
  #file: ServedFile | undefined;

  /** @param others all other routes of this process. */
  constructor(others: readonly Endpoint[]) {
    this.#others = others;
  }

  handle(request: Request): Response {
    this.#file ??= makeServedFile("application/json", ASK_AGAIN, openApiText([...this.#others, SHOW_OPENAPI]));
    return serveFile(request, this.#file);
  }
}

/** The document of this version, as JSON for programs and people. */
export function openApiText(endpoints: readonly Endpoint[]): string {
  return `${JSON.stringify(describeApi(endpoints, version), null, 2)}\n`;
}
