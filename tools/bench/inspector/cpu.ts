/** CPU time of this process so far, in ms: on a shared machine it is steadier than time. */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}
