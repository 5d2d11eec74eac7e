/** Where a request goes: the service's base address, which may have a path of its own, and a path below it. */

/** @throws TypeError where the base is no http(s) address, or carries a user or a password */
export function parseBase(url: string | URL): URL {
  const base = new URL(url);
  if (base.protocol !== "http:" && base.protocol !== "https:") throw new TypeError(`${base.protocol} is not http(s)`);
  // `fetch` refuses such an address, and it would end up in messages.
  if (base.username !== "" || base.password !== "") throw new TypeError("the address must carry no user: use `key`");
  return base;
}

export function addressOf(base: URL, path: string, query: Readonly<Record<string, string>> = {}): URL {
  const address = new URL(base);
  if (!address.pathname.endsWith("/")) address.pathname += "/";
  address.search = "";
  address.hash = "";
  address.pathname += path;
  for (const [name, value] of Object.entries(query)) address.searchParams.set(name, value);
  return address;
}
