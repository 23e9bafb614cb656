import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { dashboardFiles } from '../dashboards/files.ts';
import { errorsOf, errorsPage } from '../docs/errors.ts';
import { machineFolder, machinePages, picturesIn, withPictures } from '../docs/machinePages.ts';
import { machineProblems, machinesOf, machinesTable } from '../docs/machines.ts';
import { markdownOf } from './docs.ts';
import { packagesOf } from './workspace.ts';
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

/** Every machine has its page, where the package is that draws them, and its picture in the README of its package. */
function checkMachinePages(root: string, write: boolean): Finding[] {
  if (!existsSync(join(root, 'packages/inspector'))) return [];
  const pages = machinePages(root);
  const findings = Object.entries(pages).flatMap(([file, wanted]) => compare(root, file, { wanted, write }));
  const kept = existsSync(join(root, machineFolder)) ? readdirSync(join(root, machineFolder)) : [];
  for (const file of kept.map((name) => `${machineFolder}/${name}`).filter((path) => !(path in pages))) {
    if (write) rmSync(join(root, file));
    else findings.push({ file, rule, message: 'there is no such machine: npm run check -- --write' });
  }
  return [...findings, ...checkPictures(root, write)];
}

function checkPictures(root: string, write: boolean): Finding[] {
  const shown = new Set<string>();
  const findings = markdownOf(root).flatMap((file) => {
    const text = readFileSync(join(root, file), 'utf8');
    for (const id of picturesIn(text)) shown.add(`${file} ${id}`);
    const wanted = withPictures(root, file, text);
    return wanted === text ? [] : compare(root, file, { wanted, write });
  });
  const missing = machinesOf(root).flatMap(({ id, packageName }): Finding[] => {
    const file = `packages/${packageName}/README.md`;
    const message = `it does not show its machine: <!-- machine: ${id} --> and <!-- end -->`;
    return shown.has(`${file} ${id}`) ? [] : [{ file, rule, message }];
  });
  return [...findings, ...missing];
}

/** The dashboards are what their panels say, where the package is that ships them. */
function checkDashboards(root: string, write: boolean): Finding[] {
  if (!existsSync(join(root, 'packages/metrics'))) return [];
  return Object.entries(dashboardFiles).flatMap(([file, wanted]) => compare(root, file, { wanted, write }));
}

/** The version that a package tells its peers is that of its manifest. */
function checkVersions(root: string, write: boolean): Finding[] {
  return packagesOf(root).flatMap(({ name, manifest }) => {
    const file = `packages/${name}/src/internal/version.ts`;
    if (!existsSync(join(root, file))) return [];
    const text = readFileSync(join(root, file), 'utf8');
    const wanted = text.replace(/(?<=version = ')[^']*(?=')/, manifest.version ?? '');
    return compare(root, file, { wanted, write });
  });
}

/** What is made from the sources is what the sources say. With `write` it is made. */
export function checkGenerated(root: string, write = false): Finding[] {
  const problems = machineProblems(root);
  return [
    ...checkErrors(root, write),
    ...(problems.length > 0 ? problems : [...checkMachines(root, write), ...checkMachinePages(root, write)]),
    ...checkDashboards(root, write),
    ...checkVersions(root, write),
  ];
}
