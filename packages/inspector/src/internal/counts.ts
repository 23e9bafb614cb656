/** What was counted under a name, which may be that of something every object has. */
export function countOf<Count>(counts: Readonly<Record<string, Count>>, name: string): Count | undefined {
  return Object.hasOwn(counts, name) ? counts[name] : undefined;
}
