/** A picture that can be looked at from near and far. */
export interface ZoomPane {
  /** Shows all of it, or its whole width, however small. */
  fit(): void;
  /** Comes nearer, or goes further away with a factor below 1. */
  zoom(factor: number): void;
  /** Scrolls until a part of it can be seen. */
  reveal(part: Element): void;
  /** Whether the last press of the pointer moved the picture. */
  readonly wasDragged: boolean;
}

/** Runs in the browser: makes an element scroll and zoom the picture in it, of which the whole or the width fits in. */
export function zoomPane(view: HTMLElement, whole: boolean): ZoomPane {
  const picture = view.querySelector('svg');
  const width = Number(picture?.getAttribute('width') ?? 0) || 1;
  const height = Number(picture?.getAttribute('height') ?? 0) || 1;
  const [least, most, largestFit] = [0.1, 5, whole ? 1.25 : 1];
  let scale = 1;
  let isFitted = true;
  // Before anybody asks, a picture is not made smaller than can be read.
  let smallest = whole ? 0.3 : 0.6;
  let wasDragged = false;
  let start:
    | { readonly x: number; readonly y: number; readonly left: number; readonly top: number }
    | undefined;

  const apply = (next: number): void => {
    scale = Math.min(most, Math.max(least, next));
    for (const svg of view.querySelectorAll('svg')) {
      svg.style.width = `${width * scale}px`;
      svg.style.height = `${(svg.viewBox.baseVal.height || height) * scale}px`;
    }
  };
  const refit = (): void => {
    const paddingPx = Number.parseFloat(getComputedStyle(view).paddingLeft) || 0;
    const roomPx = (all: number): number => all - 2 * paddingPx - 2;
    const [across, down] = [roomPx(view.clientWidth) / width, roomPx(view.clientHeight) / height];
    isFitted = true;
    if (across > 0) apply(Math.max(smallest, Math.min(largestFit, across, whole ? down : largestFit)));
  };
  const fit = (): void => {
    smallest = least;
    refit();
  };
  /** What is under a point of the pane stays there. */
  const zoomAt = (factor: number, x: number, y: number): void => {
    const before = scale;
    apply(scale * factor);
    isFitted = false;
    view.scrollLeft = ((view.scrollLeft + x) * scale) / before - x;
    view.scrollTop = ((view.scrollTop + y) * scale) / before - y;
  };
  const zoom = (factor: number): void => zoomAt(factor, view.clientWidth / 2, view.clientHeight / 2);
  const reveal = (part: Element): void => {
    const [box, seen] = [part.getBoundingClientRect(), view.getBoundingClientRect()];
    const margin = { x: Math.min(40, view.clientWidth / 8), y: Math.min(70, view.clientHeight / 5) };
    const left = box.left - seen.left - margin.x;
    const right = box.right - seen.left - view.clientWidth + margin.x;
    const top = box.top - seen.top - margin.y;
    const bottom = box.bottom - seen.top - view.clientHeight + margin.y;
    const across = left < 0 ? left : right > 0 ? Math.min(right, left) : 0;
    const down = top < 0 ? top : bottom > 0 ? Math.min(bottom, top) : 0;
    const isCalm = matchMedia('(prefers-reduced-motion: reduce)').matches;
    if (across !== 0 || down !== 0)
      view.scrollBy({ left: across, top: down, behavior: isCalm ? 'instant' : 'smooth' });
  };

  view.addEventListener(
    'wheel',
    (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      const box = view.getBoundingClientRect();
      zoomAt(Math.exp(-event.deltaY / 400), event.clientX - box.left, event.clientY - box.top);
    },
    { passive: false },
  );
  // A finger scrolls by itself.
  view.addEventListener('pointerdown', (event) => {
    wasDragged = false;
    if (event.pointerType !== 'mouse' || event.button !== 0) return;
    start = { x: event.clientX, y: event.clientY, left: view.scrollLeft, top: view.scrollTop };
  });
  view.addEventListener('pointermove', (event) => {
    if (start === undefined) return;
    const [x, y] = [event.clientX - start.x, event.clientY - start.y];
    if (!wasDragged && Math.hypot(x, y) < 4) return;
    if (!wasDragged) view.setPointerCapture(event.pointerId);
    wasDragged = true;
    view.scrollLeft = start.left - x;
    view.scrollTop = start.top - y;
  });
  const end = (): void => void (start = undefined);
  view.addEventListener('pointerup', end);
  view.addEventListener('pointercancel', end);
  view.addEventListener('dblclick', fit);
  new ResizeObserver(() => {
    if (isFitted) refit();
  }).observe(view);
  refit();
  return {
    fit,
    zoom,
    reveal,
    get wasDragged() {
      return wasDragged;
    },
  };
}
