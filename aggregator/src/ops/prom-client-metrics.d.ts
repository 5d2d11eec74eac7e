/** The library's metrics of the process, each group by itself; it has types for all of them together only. */
declare module "prom-client/lib/metrics/*" {
  const register: (registry: import("prom-client").Registry) => void;
  export default register;
}
