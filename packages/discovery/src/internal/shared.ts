import type { Clock, Signer, Verifier } from '@lloom/core';
import type { ResolvedConfig } from '../config.ts';
import type { Dialer, Network } from '../ports.ts';

/** What the parts of the service share. Each says with `Pick` what it uses. */
export interface Shared {
  readonly config: ResolvedConfig;
  readonly clock: Clock;
  readonly signer: Signer | undefined;
  readonly verifier: Verifier | undefined;
  readonly dialer: Dialer;
  readonly network: Network;
}
