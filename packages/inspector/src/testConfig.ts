import type { RecorderConfig } from './recorder.ts';
import type { SequenceConfig } from './sequence.ts';

/** What a recorder of a test is told, and how the sequence of that test is drawn. */
export interface MachinesConfig extends RecorderConfig, Pick<SequenceConfig, 'laneBy' | 'threadBy'> {}
