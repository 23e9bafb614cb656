/** FNV-1a of a text of one-byte characters, 32 bits; another beginning gives another order of the same texts. */
export function fnv1a(text: string, beginning = 0x811c_9dc5): number {
  let hash = beginning;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x0100_0193);
  return hash >>> 0;
}
