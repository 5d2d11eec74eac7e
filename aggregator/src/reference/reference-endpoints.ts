/** What the reference's page and its files are. */
import { fileEndpoint, pageEndpoint } from "../site/site-endpoints.ts";

export const SHOW_REFERENCE = pageEndpoint("/reference", "showReference", "This document for people, to try out");
export const SHOW_REFERENCE_FILE = fileEndpoint(
  "reference",
  "showReferenceFile",
  "A script or a style of the reference",
);
