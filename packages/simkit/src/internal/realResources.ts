import childProcess from 'node:child_process';
import dgram from 'node:dgram';
import dns from 'node:dns';
import net from 'node:net';
import workerThreads from 'node:worker_threads';
import { SimkitError } from '../errors.ts';
import { realOf, type Callable, type Replacements } from './replacements.ts';

const asks = /^(?:resolve|reverse|lookupService)/;

/** Refuses what would answer in real time: sockets, name servers, processes and threads. */
export function refuseRealResources(replacements: Replacements): void {
  const refuse = (target: object, key: string, what: string): void =>
    replacements.fn(target, key, () => {
      throw new SimkitError('REAL_RESOURCE', { what });
    });
  refuse(net.Socket.prototype, 'connect', 'net.Socket.connect');
  refuse(net.Server.prototype, 'listen', 'net.Server.listen');
  for (const key of ['bind', 'connect', 'send']) refuse(dgram.Socket.prototype, key, `dgram.Socket.${key}`);
  refuse(childProcess.ChildProcess.prototype, 'spawn', 'child_process.spawn');
  for (const key of ['spawnSync', 'execSync', 'execFileSync'])
    refuse(childProcess, key, `child_process.${key}`);
  refuseNames(replacements);
  const Worker = new Proxy(realOf(workerThreads.Worker), {
    construct(target, args, newTarget) {
      if (!replacements.isActive) return Reflect.construct(target, args, newTarget) as object;
      throw new SimkitError('REAL_RESOURCE', { what: 'worker_threads.Worker' });
    },
  });
  replacements.value(workerThreads, 'Worker', Worker);
}

function refuseNames(replacements: Replacements): void {
  for (const [target, name] of [
    [dns, 'dns'],
    [dns.promises, 'dns.promises'],
    [dns.Resolver.prototype, 'dns.Resolver'],
    [dns.promises.Resolver.prototype, 'dns.promises.Resolver'],
  ] as const) {
    const isPromised = name.startsWith('dns.promises');
    const refuse = (key: string): never => {
      throw new SimkitError('REAL_RESOURCE', { what: `${name}.${key}` });
    };
    const keys = [...Object.keys(target), ...Object.getOwnPropertyNames(target)];
    for (const key of new Set(keys)) {
      if (asks.test(key))
        replacements.fn(target, key, isPromised ? async () => refuse(key) : () => refuse(key));
    }
    if (!('lookup' in target)) continue;
    const lookup = target.lookup as Callable;
    replacements.fn(target, 'lookup', (...args: [string]) => {
      // An address needs no name server.
      if (!args[0] || net.isIP(args[0]) !== 0) return Reflect.apply(lookup, target, args);
      return isPromised ? (async () => refuse('lookup'))() : refuse('lookup');
    });
  }
}
