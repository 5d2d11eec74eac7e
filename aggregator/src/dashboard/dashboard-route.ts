/** `GET /`: the dashboard, and `GET /dashboard/:name`: its script and its style. */
import { SiteRoute } from "../site/site-route.ts";
import { SHOW_DASHBOARD, SHOW_DASHBOARD_FILE } from "./dashboard-endpoints.ts";

export class DashboardRoute extends SiteRoute {
  constructor() {
    super(SHOW_DASHBOARD, SHOW_DASHBOARD_FILE, async () => (await import("./assets.ts")).SITE);
  }
}
