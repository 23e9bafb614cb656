// One token of JSON, with the white space before it.
const token =
  /[ \t\r\n]*(?:([{}[\]:,])|("(?:[ !#-[\]-\uffff]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null))/y;

/** What may come next. `first` and `name` are behind an opening bracket, which may close at once. */
type Wanted = 'value' | 'first' | 'name' | 'nextName' | 'colon' | 'comma' | 'end';

/**
 * Where a text stops being JSON, as a person counts: `JSON.parse` does not always say. The end of the text when something is
 * missing there.
 */
export function placeOfError(text: string): { readonly line: number; readonly column: number } {
  const before = text.slice(0, offsetOfError(text)).split('\n');
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
}

function offsetOfError(text: string): number {
  const open: string[] = [];
  const behindValue = (): Wanted => (open.length === 0 ? 'end' : 'comma');
  const step = (sign: string | undefined, word: string | undefined, wanted: Wanted): Wanted | undefined => {
    const takesValue = wanted === 'value' || wanted === 'first';
    if (sign === undefined) {
      if (word !== undefined && (wanted === 'name' || wanted === 'nextName')) return 'colon';
      return takesValue ? behindValue() : undefined;
    }
    if (sign === ':') return wanted === 'colon' ? 'value' : undefined;
    if (sign === ',' && wanted === 'comma') return open.at(-1) === '{' ? 'nextName' : 'value';
    if (sign === '{' || sign === '[') {
      if (!takesValue) return undefined;
      open.push(sign);
      return sign === '{' ? 'name' : 'first';
    }
    const closesEmpty = wanted === (sign === '}' ? 'name' : 'first');
    const closes = sign !== ',' && open.at(-1) === (sign === '}' ? '{' : '[');
    if (!closes || !(closesEmpty || wanted === 'comma')) return undefined;
    open.pop();
    return behindValue();
  };
  let wanted: Wanted = 'value';
  let offset = 0;
  for (;;) {
    token.lastIndex = offset;
    const match = token.exec(text);
    const next: Wanted | undefined = match === null ? undefined : step(match[1], match[2], wanted);
    if (next === undefined) return offset + (/^[ \t\r\n]*/.exec(text.slice(offset))?.[0].length ?? 0);
    wanted = next;
    offset = token.lastIndex;
  }
}
