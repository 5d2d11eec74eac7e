/** What the dashboard's page and its files are. */
import { fileEndpoint, pageEndpoint } from "../site/site-endpoints.ts";

export const SHOW_DASHBOARD = pageEndpoint("/", "showDashboard", "The dashboard");
export const SHOW_DASHBOARD_FILE = fileEndpoint(
  "dashboard",
  "showDashboardFile",
  "A script or a style of the dashboard",
);
