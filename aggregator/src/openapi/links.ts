/** OpenAPI's links: what can be asked next with what a reply, or its request, has named. */
import type { Link } from "./operation.ts";

/** @param names members of the first element of a list, which are the parameters of the operation `to`. */
export function ofFirst(to: string, ...names: readonly string[]): Link {
  return { to, parameters: Object.fromEntries(names.map((name) => [name, `$response.body#/0/${name}`])) };
}

/** @param names parameters of the path that was asked, and of the operation `to`. */
export function ofSamePath(to: string, ...names: readonly string[]): Link {
  return { to, parameters: Object.fromEntries(names.map((name) => [name, `$request.path.${name}`])) };
}
