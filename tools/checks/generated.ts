import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { dashboardFiles } from '../dashboards/files.ts';
import { errorsOf, errorsPage } from '../docs/errors.ts';
import { machinesTable } from '../docs/machines.ts';
import type { Finding } from './workspace.ts';

const rule = 'generated';

/** Brings a file to what it should be, or says that it is not. */
function compare(
  root: string,
  file: string,
  { wanted, write }: { wanted: string; write: boolean },
): Finding[] {
  const path = join(root, file);
  if (existsSync(path) && readFileSync(path, 'utf8') === wanted) return [];
  if (!write) return [{ file, rule, message: 'it differs from the sources: npm run check -- --write' }];
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, wanted);
  return [];
}

/** Every code says what happened, and the page of all errors is up to date. */
function checkErrors(root: string, write: boolean): Finding[] {
  const errors = errorsOf(root);
  if (errors.length === 0) return [];
  const silent = errors.flatMap(({ name, file, about, codes }): Finding[] => {
    const whats = codes.filter(({ meaning }) => meaning === '').map(({ code }) => code);
    if (about === '') whats.unshift('the class');
    return whats.map((what) => ({ file, rule, message: `${name}: ${what} has no doc comment` }));
  });
  return [...silent, ...compare(root, 'docs/errors.md', { wanted: errorsPage(root), write })];
}

const machinesPlace = /(?<=<!-- generated: machines -->\n)[^]*?(?=<!-- end -->)/;

/** The table of machines is up to date, where there is one. */
function checkMachines(root: string, write: boolean): Finding[] {
  const file = 'ARCHITECTURE.md';
  const text = existsSync(join(root, file)) ? readFileSync(join(root, file), 'utf8') : '';
  const wanted = text.replace(machinesPlace, () => `\n${machinesTable(root)}\n\n`);
  return wanted === text ? [] : compare(root, file, { wanted, write });
}

/** The dashboards are what their panels say, where the package is that ships them. */
function checkDashboards(root: string, write: boolean): Finding[] {
  if (!existsSync(join(root, 'packages/metrics'))) return [];
  return Object.entries(dashboardFiles).flatMap(([file, wanted]) => compare(root, file, { wanted, write }));
}

/** What is made from the sources is what the sources say. With `write` it is made. */
export function checkGenerated(root: string, write = false): Finding[] {
  return [...checkErrors(root, write), ...checkMachines(root, write), ...checkDashboards(root, write)];
}
