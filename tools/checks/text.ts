import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { markdownOf } from './docs.ts';
import { slashed } from './workspace.ts';
import type { Finding } from './workspace.ts';

/** Markdown without its code, line by line. */
function proseOf(text: string): string[] {
  let fence: string | undefined;
  return text.split('\n').map((line) => {
    const mark = /^\s*(```+|~~~+)/.exec(line)?.[1];
    if (mark !== undefined) {
      if (fence === undefined) fence = mark;
      else if (mark.startsWith(fence)) fence = undefined;
      return '';
    }
    return fence === undefined ? line.replaceAll(/`[^`]*`/g, '') : '';
  });
}

const anchorOf = (heading: string): string =>
  heading
    .trim()
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(/\s/g, '-');

function anchorsOf(file: string): string[] {
  const text = readFileSync(file, 'utf8');
  const headings = [...text.matchAll(/^#{1,6}\s+(?<text>.+?)\s*#*$/gm)].map((match) =>
    anchorOf(match.groups?.['text'] ?? ''),
  );
  const ids = [...text.matchAll(/\b(?:id|name)="(?<id>[^"]+)"/g)].map((match) => match.groups?.['id'] ?? '');
  return [...headings, ...ids];
}

function checkLink(root: string, file: string, target: string): string | undefined {
  if (/^[a-z][a-z+.-]*:|^\/\//i.test(target)) return undefined;
  // npm takes it for one below the folder of the package, GitHub for one below the root.
  if (target.startsWith('/')) return `"${target}" begins with a slash: make it relative to the file`;
  const [path = '', anchor] = target.split('#');
  const absolute = path === '' ? join(root, file) : join(root, dirname(file), decodeURI(path));
  if (!existsSync(absolute)) return `"${target}" leads nowhere`;
  const isPage = anchor !== undefined && anchor !== '' && absolute.endsWith('.md');
  return !isPage || anchorsOf(absolute).includes(anchor)
    ? undefined
    : `"${target}": there is no such heading`;
}

const link = /!?\[[^\]]*\]\(\s*<?(?<inline>[^)\s>]+)>?[^)]*\)|^\s*\[[^\]]+\]:\s*(?<reference>\S+)/g;

/** Links between files of the repository lead somewhere. */
export function checkLinks(root: string): Finding[] {
  return markdownOf(root).flatMap((file) =>
    proseOf(readFileSync(join(root, file), 'utf8')).flatMap((text, index) =>
      [...text.matchAll(link)].flatMap((match) => {
        const target = match.groups?.['inline'] ?? match.groups?.['reference'] ?? '';
        const message = checkLink(root, file, target);
        return message === undefined ? [] : [{ file, line: index + 1, rule: 'links', message }];
      }),
    ),
  );
}

/** Paths below the home or working folder of one machine. */
const machinePath = /(?<![\w.*})/:~-])\/(?:root|home|work|farm|Users)\/\w/;
const skipped = [
  '**/node_modules/**',
  '**/dist/**',
  '.git/**',
  '**/.turbo/**',
  '**/.vitest/**',
  '**/generated/**',
];
const binary = /\.(?:png|jpg|gif|ico|wasm|node|tgz)$/;

/** Nothing in the repository belongs to one machine only. */
export function checkPlaces(root: string): Finding[] {
  const files = globSync(['**/*', '**/.*', '.*/**/*'], { cwd: root, exclude: skipped }).map(slashed);
  return [...new Set(files)].flatMap((file) => {
    if (binary.test(file) || !statSync(join(root, file)).isFile()) return [];
    const pattern = file === 'pnpm-lock.yaml' ? /https?:\/\// : machinePath;
    const message = file === 'pnpm-lock.yaml' ? 'a registry is named' : 'a path of one machine is named';
    return readFileSync(join(root, file), 'utf8')
      .split('\n')
      .flatMap((text, index) =>
        pattern.test(text) ? [{ file, line: index + 1, rule: 'places', message }] : [],
      );
  });
}
