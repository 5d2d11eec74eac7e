/** `GET /reference`: the OpenAPI document for people, drawn by Swagger UI from `GET /openapi.json`. */
import { SiteRoute } from "../site/site-route.ts";
import { SHOW_REFERENCE, SHOW_REFERENCE_FILE } from "./reference-endpoints.ts";

export class ReferenceRoute extends SiteRoute {
  constructor() {
    super(SHOW_REFERENCE, SHOW_REFERENCE_FILE, async () => (await import("./assets.ts")).SITE);
  }
}
