/**
 * The small world that the simulated publisher and the load scripts share, so that their events look alike.
 * Imports nothing, for the same reason as `limits.ts`.
 */

export const TOPICS = ["system.logs", "user.auth", "order.processing", "payment.gateway"] as const;

export const SOURCES = ["web-frontend", "mobile-app", "service-a", "service-b"] as const;

/**
 * The part of deliveries that repeat an earlier event unchanged: what an at-least-once publisher does when it retries.
 */
export const DUPLICATE_RATIO = 0.3;
