/** All endpoints that an aggregator with all roles serves, for who wants the document without a service. */
import { SHOW_SESSION, SIGN_IN, SIGN_OUT } from "../access/session-endpoints.ts";
import { SHOW_DASHBOARD, SHOW_DASHBOARD_FILE } from "../dashboard/dashboard-endpoints.ts";
import { SEND_CLOUDEVENTS } from "../ingest/cloudevents/cloudevents-endpoint.ts";
import * as deadLetters from "../ingest/dead-letter-endpoints.ts";
import { SEND_OTLP_LOGS } from "../ingest/otlp/otlp-logs-endpoint.ts";
import { PUBLISH } from "../ingest/publish-endpoint.ts";
import { SHOW_HEALTH, SHOW_READINESS } from "../ops/health-endpoints.ts";
import { SHOW_METRICS } from "../ops/metrics-endpoint.ts";
import { SHOW_WORKERS } from "../ops/workers-endpoint.ts";
import { LIST_DUPLICATES } from "../query/duplicates-endpoint.ts";
import { SHOW_EVENT } from "../query/event-endpoint.ts";
import { LIST_EVENTS } from "../query/events-endpoint.ts";
import { SHOW_STATS } from "../query/stats-endpoint.ts";
import { SHOW_STATS_HISTORY } from "../query/stats-history-endpoint.ts";
import { LIST_TOPICS } from "../query/topics-endpoint.ts";
import { SHOW_REFERENCE, SHOW_REFERENCE_FILE } from "../reference/reference-endpoints.ts";
import type { Endpoint } from "../route.ts";
import { SUBSCRIBE } from "../subscribe/subscribe-endpoint.ts";
import * as subscriptions from "../subscribe/subscriptions-endpoints.ts";
import { SHOW_OPENAPI } from "./openapi-endpoint.ts";

/** In the order in which `service.ts` lists the routes. */
export const CATALOGUE: readonly Endpoint[] = [
  PUBLISH,
  SEND_CLOUDEVENTS,
  SEND_OTLP_LOGS,
  deadLetters.LIST_DEAD_LETTERS,
  deadLetters.SHOW_DEAD_LETTER,
  deadLetters.REPLAY_DEAD_LETTER,
  deadLetters.DELETE_DEAD_LETTER,
  LIST_EVENTS,
  SHOW_EVENT,
  LIST_TOPICS,
  LIST_DUPLICATES,
  SUBSCRIBE,
  subscriptions.LIST_SUBSCRIPTIONS,
  subscriptions.SHOW_SUBSCRIPTION,
  subscriptions.MAKE_SUBSCRIPTION,
  subscriptions.REMOVE_SUBSCRIPTION,
  subscriptions.NEXT_EVENTS,
  subscriptions.ACKNOWLEDGE_EVENTS,
  subscriptions.RETURN_EVENTS,
  subscriptions.LIST_UNDELIVERED,
  SHOW_DASHBOARD,
  SHOW_DASHBOARD_FILE,
  SHOW_REFERENCE,
  SHOW_REFERENCE_FILE,
  SHOW_SESSION,
  SIGN_IN,
  SIGN_OUT,
  SHOW_HEALTH,
  SHOW_READINESS,
  SHOW_STATS,
  SHOW_STATS_HISTORY,
  SHOW_WORKERS,
  SHOW_METRICS,
  SHOW_OPENAPI,
];
