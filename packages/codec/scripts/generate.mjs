// Writes src/generated/lloom.js and lloom.d.ts from proto/lloom.proto.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
mkdirSync('src/generated', { recursive: true });

const pbjs = createRequire(import.meta.url).resolve('protobufjs-cli/bin/pbjs');
// 64-bit fields are Long, never a rounded number; services, type URLs and delimited forms are not used.
const flags =
  '--target static-module --wrap esm --dependency protobufjs/minimal.js --root lloom-codec --dts ' +
  '--force-long --null-semantics --no-create --no-verify --no-convert --no-service --no-typeurl --no-delimited --out src/generated/lloom.js';
execFileSync(process.execPath, [pbjs, ...flags.split(' '), 'proto/lloom.proto'], { stdio: 'inherit' });

// The declarations carry the documentation; at run time it would be half of the file.
const output = 'src/generated/lloom.js';
writeFileSync(output, readFileSync(output, 'utf8').replace(/^ *\/\*\*[\s\S]*?\*\/\n+/gm, ''));
