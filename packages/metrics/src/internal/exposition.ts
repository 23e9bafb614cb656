import type { Registry } from 'prom-client';
import type { Family } from './family.ts';

/** Where the families of a node are shown. */
export interface Exposition {
  /** One of the node's own is made, and prom-client loaded, by the first look. */
  readonly registry: Registry;
  /** Shows one more. */
  readonly add: (family: Family) => void;
  /** Shows them from now on. */
  readonly show: (node: string) => void;
  /** Takes them out of a registry that nodes share; those of a registry of one's own stay. */
  readonly hide: () => void;
}
