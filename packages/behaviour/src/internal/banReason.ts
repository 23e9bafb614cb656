import type { Ban } from '@lloom/peers';

/** Why the node itself has banned a peer. What the user wrote down may be for nobody else. */
export const ownReasonOf = ({ by, reason }: Ban): string | undefined =>
  by === 'reputation' ? reason : undefined;
