// What pnpm asks when it packs. The lockfile keeps a checksum of this file: what is reviewed more often stands in scripts/published.mjs.
import { published } from './scripts/published.mjs';

export const hooks = { beforePacking: published };
