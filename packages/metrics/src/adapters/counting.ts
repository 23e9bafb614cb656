import type { MessageStream } from '@libp2p/interface';
import type { Flow } from '../internal/traffic.ts';

/** Told when a stream is closed, once. */
type OnClose = () => void;

const isMessage = (event: Event): event is Event & { readonly data: { readonly byteLength: number } } =>
  event.type === 'message' && 'data' in event;

/**
 * Counts the bytes of a stream or a connection, by methods in place of its own. A listener would not do: libp2p hands out what has
 * arrived as soon as there is one, and whoever handles the stream may not be there yet.
 */
export function countBytes(stream: MessageStream, flow: Flow, onClose?: OnClose): void {
  const dispatchEvent = stream.dispatchEvent.bind(stream);
  const send = stream.send.bind(stream);
  const unshift = stream.unshift.bind(stream);
  // What was handed out and given back comes again: it counts once.
  let givenBack = 0;
  let tellClosed = onClose;
  Object.assign(stream, {
    dispatchEvent(event: Event): boolean {
      if (isMessage(event)) {
        const { byteLength } = event.data;
        const again = Math.min(givenBack, byteLength);
        givenBack -= again;
        flow.bytesIn += byteLength - again;
      } else if (event.type === 'close') {
        tellClosed?.();
        tellClosed = undefined;
      }
      return dispatchEvent(event);
    },
    send(data: Parameters<MessageStream['send']>[0]): boolean {
      // The list may be emptied on the way.
      const { byteLength } = data;
      const canSendMore = send(data);
      flow.bytesOut += byteLength;
      return canSendMore;
    },
    unshift(data: Parameters<MessageStream['unshift']>[0]): void {
      const { byteLength } = data;
      unshift(data);
      givenBack += byteLength;
    },
  });
}
