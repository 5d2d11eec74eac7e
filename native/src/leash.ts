/**
 * What to put before a command so that it ends with the program that started it. On Linux the kernel itself sends the
 * signal when that program has died, however it died. Elsewhere a program that is killed leaves its children behind.
 */
export function leash(name: NodeJS.Signals): string[] {
  if (process.platform !== "linux") return [];
  return ["setpriv", "--pdeathsig", name.replace(/^SIG/, ""), "--"];
}
