import type { ViewActors, ViewState } from '../types.ts';

/** Where the page's connection to its node stands. */
export type Phase = 'connecting' | 'live' | 'reconnecting' | 'stopped' | 'refused' | 'crowded';

/** Who is told what the node says. */
export interface Listener {
  readonly onState: (state: ViewState) => void;
  readonly onActors: (actors: ViewActors) => void;
  readonly onPhase: (phase: Phase) => void;
}

/** Listens to the node for as long as the page is open, and tries again when it falls silent. */
export function connect(url: string, listener: Listener): void {
  const retryMs = 3_000;
  const silentMs = 20_000;
  let source: EventSource | undefined;
  let isStopped = false;
  let heardAt = performance.now();

  const read = (event: Event): unknown =>
    event instanceof MessageEvent ? JSON.parse(String(event.data)) : undefined;

  const close = (): void => {
    source?.close();
    source = undefined;
  };

  /** An event source does not say why it was refused: a plain request does. */
  const probe = async (): Promise<void> => {
    const controller = new AbortController();
    try {
      const answer = await fetch(url, { signal: controller.signal });
      if (answer.ok) return open();
      const isUnknown = answer.status === 401 || answer.status === 403;
      listener.onPhase(isUnknown ? 'refused' : answer.status === 503 ? 'crowded' : 'reconnecting');
    } catch {
      listener.onPhase(isStopped ? 'stopped' : 'reconnecting');
    } finally {
      controller.abort();
    }
    setTimeout(() => void probe(), retryMs);
  };

  const lose = (): void => {
    close();
    listener.onPhase(isStopped ? 'stopped' : 'reconnecting');
    setTimeout(() => void probe(), retryMs);
  };

  const open = (): void => {
    close();
    const own = new EventSource(url);
    source = own;
    heardAt = performance.now();
    const hear = (use: (event: Event) => void) => (event: Event) => {
      if (source !== own) return;
      heardAt = performance.now();
      use(event);
    };
    own.addEventListener('open', () => {
      isStopped = false;
    });
    own.addEventListener(
      'state',
      hear((event) => {
        listener.onPhase('live');
        listener.onState(read(event) as ViewState);
      }),
    );
    own.addEventListener(
      'actors',
      hear((event) => listener.onActors(read(event) as ViewActors)),
    );
    own.addEventListener(
      'stopped',
      hear(() => {
        isStopped = true;
        lose();
      }),
    );
    own.addEventListener('error', () => source === own && lose());
  };

  // A connection can fall silent without ending, as when a machine sleeps: states come each second.
  setInterval(() => {
    if (source !== undefined && performance.now() - heardAt > silentMs) lose();
  }, retryMs);
  listener.onPhase('connecting');
  open();
}
