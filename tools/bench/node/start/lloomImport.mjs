// How long after its start a process has loaded a node of ours.
import { tellStart } from './tell.mjs';

await import('@lloom/behaviour');
tellStart();
