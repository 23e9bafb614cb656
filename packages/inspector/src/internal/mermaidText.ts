import { shorten } from './svgText.ts';

/** What means nothing to Mermaid, wherever it stands. */
const plain = /[^\p{L}\p{N} ._,/()[\]×→·…*!?'=+-]/gu;
/** Control characters, halves of pairs, and what turns the direction of text. */
const unreadable = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}]/gu;

/** Any text as it may stand in a label of Mermaid: in one line, shortened, special characters as entities. */
export function mermaidText(text: string, maxLength?: number): string {
  const line = shorten(text, maxLength).replaceAll(unreadable, '\ufffd').trim();
  return line.replaceAll(plain, (character) => `#${character.codePointAt(0)};`) || '#32;';
}

/** Words of Mermaid's grammar, and names that plain objects have already. */
const reserved =
  /^(?:state|note|end|as|direction|class|classdef|style|default|click|href|hide|scale|title|acctitle|accdescr|root|fork|join|choice|call|constructor|prototype|__proto__|tostring|valueof|hasownproperty)$/i;

const maxIdLength = 60;

/** Gives out names for the things of one diagram: like their own, and each once. */
export class MermaidIds {
  readonly #given = new Set<string>();

  /** A name of letters, digits and underscores, about as long as a line can have. */
  give(wanted: string): string {
    const letters = wanted
      .replaceAll(/[^A-Za-z0-9]+/g, '_')
      .slice(0, maxIdLength)
      .replaceAll(/^_+|_+$/g, '');
    const base = letters === '' || /^\d/.test(letters) || reserved.test(letters) ? `s_${letters}` : letters;
    let id = base;
    for (let count = 2; this.#given.has(id.toLowerCase()); count++) id = `${base}_${count}`;
    this.#given.add(id.toLowerCase());
    return id;
  }
}
