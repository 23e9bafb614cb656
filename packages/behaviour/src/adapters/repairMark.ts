import { access, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A file that is there from before a repair changes anything until its consequences are drawn. LevelDB leaves it alone. */
export const markName = 'REPAIRING';

const markOf = (path: string): string => join(path, markName);

/** Marks a folder. */
export async function beginRepair(path: string): Promise<void> {
  await writeFile(markOf(path), '');
}

/** Takes the mark away. */
export async function endRepair(path: string): Promise<void> {
  await rm(markOf(path), { force: true });
}

/** Whether a repair has begun, in this process or an earlier one, and not ended. */
export async function isBeingRepaired(path: string): Promise<boolean> {
  return access(markOf(path)).then(
    () => true,
    () => false,
  );
}
