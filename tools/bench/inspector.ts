import { overheadRows } from './inspector/overhead.ts';
import { pictureRows } from './inspector/pictures.ts';
import type { Row } from './report.ts';

/** What looking at machines costs: each event, a large chart, and the page of a run. */
export async function inspectorSuite(): Promise<Row[]> {
  // Events first: pictures leave a large heap behind.
  return [...overheadRows(), ...(await pictureRows())];
}
