/** Whether each tag that is opened is closed, in order, and every ampersand begins an entity. */
export function wellFormed(xml: string): boolean {
  const open: string[] = [];
  for (const [, closing, name, rest] of xml.matchAll(/<(\/?)([a-z]+)((?:[^<>"]|"[^"<]*")*)>/g)) {
    if (closing === '/' && open.pop() !== name) return false;
    if (closing === '' && rest?.endsWith('/') !== true) open.push(name ?? '');
  }
  const tags = [...xml.matchAll(/</g)].length;
  const parsed = [...xml.matchAll(/<(\/?)([a-z]+)((?:[^<>"]|"[^"<]*")*)>/g)].length;
  return open.length === 0 && tags === parsed && !/&(?!(?:amp|lt|gt|quot|#39);)/.test(xml);
}
