// The compiler leaves generated JavaScript where it is: put it beside the compiled sources.
import { cpSync } from 'node:fs';

const at = (path) => new URL(`../${path}/generated`, import.meta.url);
cpSync(at('src'), at('dist'), { recursive: true });
