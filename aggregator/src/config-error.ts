/** What the operator has to mend; its message is for them. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}
