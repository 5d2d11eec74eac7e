/** The reference as the bundler has made it. Loaded when somebody first asks for it. */
import { bundleSite } from "../site/bundle.ts" with { type: "macro" };

export const SITE = bundleSite("reference", "main.ts");
