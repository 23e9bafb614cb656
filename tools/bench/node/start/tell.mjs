/** Tells whoever started this process one thing, as a line of JSON. */
export const tell = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);

/** Tells how long ago this process began, and what it has computed since. */
export function tellStart() {
  const { user, system } = process.cpuUsage();
  tell({ ms: performance.now(), cpuMs: (user + system) / 1_000 });
}
