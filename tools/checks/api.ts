import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { apiReports } from '../docs/apiReports.ts';
import type { ApiReport } from '../docs/apiReports.ts';
import { ownMachineEntries, unnamedTypes } from './rules.ts';
import { slashed } from './workspace.ts';
import type { Finding } from './workspace.ts';

const rule = 'api';
const shownLines = 12;

/** Lines that only one of the two has: `- before`, `+ after`. */
export function changedLines(before: string, after: string): string[] {
  const only = (text: string, other: string): string[] => {
    const left = other.split('\n');
    return text.split('\n').filter((line) => {
      const index = left.indexOf(line);
      if (index !== -1) left.splice(index, 1);
      return index === -1;
    });
  };
  return [
    ...only(before, after).map((line) => `- ${line.trim()}`),
    ...only(after, before).map((line) => `+ ${line.trim()}`),
  ];
}

function checkReport(root: string, { file, text }: ApiReport): Finding[] {
  const path = join(root, file);
  const before = existsSync(path) ? readFileSync(path, 'utf8') : '';
  if (before === text) return [];
  const changes = changedLines(before, text);
  const more = changes.length > shownLines ? [`… ${changes.length - shownLines} more`] : [];
  const shown = [...changes.slice(0, shownLines), ...more].map((line) => `\n    ${line}`).join('');
  const message = `the public API has changed: npm run check -- api --write, and a changeset${shown}`;
  return [{ file, rule, message }];
}

/** A user can import every type that a declaration names. Machines are read with the types of XState. */
function checkNames({ pkg, entry, unnamed }: ApiReport): Finding[] {
  if (ownMachineEntries.includes(entry)) return [];
  const allowed = unnamedTypes[pkg.name]?.names ?? [];
  return unnamed
    .filter((name) => !allowed.includes(name))
    .map((name) => ({
      file: `packages/${pkg.name}`,
      rule,
      message: `"${name}" is part of what "${entry}" declares and has no name for users: export it from src/index.ts`,
    }));
}

/** What users can import is what the reports say, and has names. With `write` the reports are brought up to date. */
export function checkApi(root: string, write = false): Finding[] {
  const reports = apiReports(root);
  const wanted = new Set(reports.map(({ file }) => file));
  const stale = globSync('docs/api/*.api.md', { cwd: root })
    .map(slashed)
    .filter((file) => !wanted.has(file));
  const names = reports.flatMap(checkNames);
  if (write) {
    for (const { file, text } of reports) {
      mkdirSync(dirname(join(root, file)), { recursive: true });
      writeFileSync(join(root, file), text);
    }
    for (const file of stale) rmSync(join(root, file));
    return names;
  }
  const message = 'there is no such entry point: npm run check -- api --write';
  const gone = stale.map((file) => ({ file, rule, message }));
  return [...reports.flatMap((report) => checkReport(root, report)), ...gone, ...names];
}
