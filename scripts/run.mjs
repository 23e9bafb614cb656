// Starts every root command. Needs nothing but npm and any Node from 20 on: it installs what is missing
// through the pinned pnpm, then runs the command with the Node that the repository brings along.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { commands } from './commands.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const inRoot = (...parts) => join(root, ...parts);
const windows = process.platform === 'win32';
const wanted = JSON.parse(readFileSync(inRoot('package.json'), 'utf8')).packageManager;
const stamp = inRoot('node_modules', '.setup.json');
const lock = inRoot('.setup.lock');

function fail(message) {
  console.error(`lloom: ${message}`);
  process.exit(1);
}

/** Environment for a child: the chosen Node first, none of npm's own variables but those that reach a registry. */
function environment(...paths) {
  const kept =
    /^npm_config_(registry|cache|cafile|ca|https?_?proxy|proxy|noproxy|userconfig|offline|prefer_offline)$/i;
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name) || kept.test(name)),
  );
  const pathName = Object.keys(env).find((name) => name.toUpperCase() === 'PATH') ?? 'PATH';
  env[pathName] = [...paths, env[pathName]].join(delimiter);
  return { ...env, TURBO_TELEMETRY_DISABLED: '1', DO_NOT_TRACK: '1' };
}

/** Changes when a manifest, the lockfile or the platform does. */
function fingerprint() {
  const folders = readdirSync(inRoot('packages'), { withFileTypes: true }).filter((entry) =>
    entry.isDirectory(),
  );
  const manifests = folders.map((entry) => join('packages', entry.name, 'package.json')).toSorted();
  const hash = createHash('sha256').update(`${process.platform} ${process.arch}`);
  for (const file of [
    'package.json',
    'pnpm-lock.yaml',
    'pnpm-workspace.yaml',
    'examples/package.json',
    'tools/package.json',
    ...manifests,
  ]) {
    if (existsSync(inRoot(file))) hash.update(file).update(readFileSync(inRoot(file)));
  }
  return hash.digest('hex');
}

/** What the last complete installation left behind, if it still fits. */
function installed() {
  if (!existsSync(stamp)) return undefined;
  try {
    const found = JSON.parse(readFileSync(stamp, 'utf8'));
    const complete =
      found.fingerprint === fingerprint() && existsSync(join(found.pnpm, windows ? 'pnpm.cmd' : 'pnpm'));
    return complete ? found : undefined;
  } catch {
    return undefined;
  }
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function holderIsGone() {
  try {
    const pid = Number(readFileSync(join(lock, 'pid'), 'utf8'));
    process.kill(pid, 0);
    return false;
  } catch (error) {
    if (error.code === 'EPERM') return false;
    if (error.code === 'ENOENT') return Date.now() - statSync(lock).mtimeMs > 5_000;
    return true;
  }
}

/** Only one process installs; the others wait and then find the work done. */
async function withLock(work) {
  for (let told = false; ; told = true) {
    try {
      mkdirSync(lock);
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    if (!told) console.error('lloom: waiting for another installation in this folder');
    try {
      if (holderIsGone()) rmSync(lock, { recursive: true, force: true });
    } catch (error) {
      if (error.code !== 'ENOENT') throw error;
    }
    await pause(300);
  }
  writeFileSync(join(lock, 'pid'), String(process.pid));
  const release = () => rmSync(lock, { recursive: true, force: true });
  process.once('exit', release);
  try {
    return await work();
  } finally {
    release();
    process.off('exit', release);
  }
}

const npx = (args, options) =>
  spawnSync('npx', ['--prefer-offline', '--yes', `--package=${wanted}`, ...args], {
    cwd: root,
    shell: windows,
    ...options,
  });

function install(options) {
  const current = installed();
  if (current && options.length === 0) return current;
  console.error(`lloom: installing dependencies with ${wanted}`);
  const env = { ...environment(), CI: 'true' };
  const result = npx(['pnpm', 'install', '--frozen-lockfile', ...options], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 1 << 26,
  });
  if (result.error) fail(`cannot start npx: ${result.error.message}`);
  if (result.status !== 0) {
    process.stderr.write(result.stdout);
    process.stderr.write(result.stderr);
    fail(
      'the installation failed, see above. After a change of a manifest: npm run setup -- --no-frozen-lockfile',
    );
  }
  const script =
    "for (const d of process.env.PATH.split(require('node:path').delimiter)) if (['pnpm', 'pnpm.cmd'].some((f) => require('node:fs').existsSync(d + '/' + f))) { console.log(d); break }";
  const where = npx(['node', '-e', windows ? `"${script}"` : script], { env, encoding: 'utf8' });
  const state = { fingerprint: fingerprint(), pnpm: (where.stdout ?? '').trim() };
  if (where.status !== 0 || state.pnpm === '') fail(`cannot find ${wanted}: ${where.stderr}`);
  writeFileSync(stamp, JSON.stringify(state));
  return state;
}

/** The Node of the repository, or the one that runs this file when it is new enough. */
function chooseNode() {
  const bundled = inRoot('node_modules', 'node', 'bin', windows ? 'node.exe' : 'node');
  if (existsSync(bundled) && spawnSync(bundled, ['--version']).status === 0) return bundled;
  const major = Number(process.versions.node.split('.')[0]);
  if (major >= 22) return process.execPath;
  return fail(
    `Node ${process.versions.node} is too old and the bundled Node is missing for ${process.platform} ${process.arch}; ` +
      'install Node 24 (22 at least) and try again',
  );
}

let running;
let stopped = 0;
for (const [signal, number] of Object.entries({ SIGHUP: 1, SIGINT: 2, SIGTERM: 15 })) {
  process.on(signal, () => {
    stopped = 128 + number;
    if (!running) process.exit(stopped);
    // A terminal has already sent SIGINT to the whole group.
    if (signal !== 'SIGINT' || !process.stdin.isTTY) running.kill(signal);
  });
}

// npm starts this file through a shell that dies of a SIGTERM without passing it on.
if (process.env.npm_lifecycle_event) {
  const parent = process.ppid;
  setInterval(() => process.ppid !== parent && process.emit('SIGTERM', 'SIGTERM'), 250).unref();
}

/** Runs one step and gives back its exit code. A quiet step is shown only when it fails. */
function run([command, ...args], { env, quiet }) {
  return new Promise((resolve) => {
    const stdio = quiet ? ['ignore', 'pipe', 'pipe'] : 'inherit';
    const child = spawn(command, args, { cwd: root, env, stdio, shell: windows && command !== 'node' });
    running = child;
    const chunks = [];
    child.stdout?.on('data', (chunk) => chunks.push(chunk));
    child.stderr?.on('data', (chunk) => chunks.push(chunk));
    child.on('error', (error) => fail(`cannot start ${command}: ${error.message}`));
    child.on('close', (code, signal) => {
      running = undefined;
      if (quiet && code !== 0) process.stderr.write(Buffer.concat(chunks));
      resolve({ code: code ?? 1, signal });
    });
  });
}

if (Number(process.versions.node.split('.')[0]) < 20)
  fail(`Node ${process.versions.node} is too old, 20 is the least`);

const [name, ...rest] = process.argv.slice(2);
const args = rest[0] === '--' ? rest.slice(1) : rest;
const steps = Object.hasOwn(commands, name) ? commands[name](args) : fail(`unknown command "${name}"`);

const options = name === 'setup' ? args : [];
const { pnpm } =
  (options.length === 0 ? installed() : undefined) ?? (await withLock(async () => install(options)));
const node = chooseNode();
const env = environment(dirname(node), inRoot('node_modules', '.bin'), pnpm);
for (const { step, quiet = false } of steps) {
  if (stopped) process.exit(stopped);
  const { code, signal } = await run(step, { env, quiet });
  if (signal) {
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
    await pause(1_000);
  }
  if (code !== 0) process.exit(code);
}
