import type { Child, Listeners, Piece, PieceSettings } from './types.ts';

/** Describes elements, and changes what is on the page until it matches. */
export interface Elements {
  /** Describes one element. */
  readonly h: (tag: string, settings?: PieceSettings, ...children: readonly Child[]) => Piece;
  /** Makes the children of an element what is described: what stays keeps its focus, its selection and its place. */
  readonly draw: (parent: Element, children: readonly Child[]) => void;
}

/**
 * Describes and draws elements. Texts become text nodes, never HTML, and characters that would turn the direction of
 * what follows are replaced: names come from strangers.
 */
export function createElements(): Elements {
  const svg = 'http://www.w3.org/2000/svg';
  const turning = /[\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]/g;
  const drawn = new WeakMap<Node, Piece>();
  const keys = new WeakMap<Node, string>();
  const known = new Set(['key', 'on', 'host']);

  const h: Elements['h'] = (tag, settings = {}, ...children) => ({ tag, settings, children });

  const readable = (text: string): string => text.replaceAll(turning, '\ufffd');

  const valueOf = (value: unknown): string | undefined => {
    if (typeof value === 'string' || typeof value === 'number') return readable(`${value}`);
    return value === true ? '' : undefined;
  };

  const listen = (element: Element, before: Listeners, after: Listeners): void => {
    for (const type of Object.keys(after)) {
      if (type in before) continue;
      element.addEventListener(type, (event) => drawn.get(element)?.settings.on?.[type]?.(event));
    }
  };

  /** What was not changed here is left as it is: readers open and close things themselves. */
  const setAttributes = (element: Element, before: PieceSettings, after: PieceSettings): void => {
    for (const name of Object.keys(before)) {
      if (!(name in after) && !known.has(name)) element.removeAttribute(name);
    }
    for (const name of Object.keys(after)) {
      if (known.has(name) || before[name] === after[name]) continue;
      const value = valueOf(after[name]);
      if (value === undefined) element.removeAttribute(name);
      else element.setAttribute(name, value);
    }
  };

  const update = (element: Element, piece: Piece): void => {
    const before = drawn.get(element)?.settings ?? {};
    drawn.set(element, piece);
    setAttributes(element, before, piece.settings);
    listen(element, before.on ?? {}, piece.settings.on ?? {});
    if (piece.settings.host === undefined) draw(element, piece.children);
    else piece.settings.host(element);
  };

  const create = (parent: Element, tag: string): Element => {
    const isSvg = tag === 'svg' || parent.namespaceURI === svg;
    return isSvg ? document.createElementNS(svg, tag) : document.createElement(tag);
  };

  /** An element that is moved would lose the focus in browsers that cannot move it whole. */
  const place = (parent: Element, child: Node, next: Node | null): void => {
    const focused = document.activeElement;
    if (child.parentNode === parent && 'moveBefore' in parent) {
      parent.moveBefore(child, next);
      return;
    }
    parent.insertBefore(child, next);
    const isFocusLost = focused instanceof HTMLElement && child.contains(focused);
    if (isFocusLost && focused !== document.activeElement) focused.focus({ preventScroll: true });
  };

  const draw: Elements['draw'] = (parent, children) => {
    const old = new Map<string, Node>();
    for (const node of parent.childNodes) old.set(keys.get(node) ?? '', node);
    const wanted = children
      .filter((child) => child !== undefined && child !== false)
      .map((child, index) => {
        const isPiece = typeof child === 'object';
        const name = isPiece ? (child.settings.key ?? `at ${index}`) : `at ${index}`;
        return { child, key: `${isPiece ? child.tag : ''} ${name}` };
      });
    const kept = new Set(wanted.map(({ key }) => old.get(key)));
    for (const node of [...parent.childNodes]) if (!kept.has(node)) parent.removeChild(node);
    let next = parent.firstChild;
    for (const { child, key } of wanted) {
      const node = old.get(key) ?? (typeof child === 'object' ? create(parent, child.tag) : new Text());
      keys.set(node, key);
      if (node === next) next = next.nextSibling;
      else place(parent, node, next);
      if (typeof child !== 'object') {
        const text = readable(String(child));
        if (node.nodeValue !== text) node.nodeValue = text;
      } else if (node instanceof Element) update(node, child);
    }
  };

  return { h, draw };
}
