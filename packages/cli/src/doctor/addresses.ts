import { connect } from 'node:net';
import type { LloomBehaviour } from '@lloom/behaviour';
import { errorText } from '@lloom/core';
import { describeError } from '../errors.ts';
import type { NetworkName } from '../options.ts';
import { hostOf, scopeOf } from './addressScope.ts';
import { fail, ok, skip, warn, type Judgement } from './finding.ts';
import { within, type Bound } from './waiting.ts';

/** What became of listening. */
export interface ListenFacts {
  readonly network: NetworkName;
  /** Why the node could not listen where it was told to; it then listens on any free port of this machine. */
  readonly error?: unknown;
  /** Where it listens, with whether somebody who dials is let in, and why not. */
  readonly addresses: readonly { readonly address: string; readonly problem?: string }[];
}

/** Dials every address that the node listens on. Rejects when all is over before every one has answered. */
export async function probeListening(
  node: Pick<LloomBehaviour, 'listenedAddresses'>,
  bound: Bound,
): Promise<ListenFacts['addresses']> {
  const addresses = [...new Set(node.listenedAddresses())].filter(
    (address) => scopeOf(address) !== 'relayed',
  );
  return Promise.all(
    addresses.map(async (address) => {
      const problem = await knock(address, bound);
      return problem === undefined ? { address } : { address, problem };
    }),
  );
}

/** Why nobody answers there; `undefined` when somebody does. */
async function knock(address: string, bound: Bound): Promise<string | undefined> {
  const target = hostOf(address);
  if (target === undefined || target.port === 0) return undefined;
  const socket = connect(target);
  try {
    await within(bound, () => {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      socket.once('connect', () => resolve());
      socket.once('error', reject);
      return promise;
    });
    return undefined;
  } catch (error) {
    // No time was left to answer in, which says nothing of the address.
    bound.signal.throwIfAborted();
    return errorText(error);
  } finally {
    socket.on('error', () => undefined);
    socket.destroy();
  }
}

/** Whether the node listens, and where others could hear it. */
export function judgeListening({ network, error, addresses }: ListenFacts): Judgement {
  if (error !== undefined) {
    const { message, hint } = describeError(error);
    const running = 'If that is your own node that runs, check without --listen; else';
    return fail(message, `${running} ${hint.charAt(0).toLowerCase()}${hint.slice(1)}`);
  }
  if (addresses.length === 0)
    return warn(
      'the node listens nowhere: nobody can dial it',
      'Add --listen, such as /ip4/0.0.0.0/tcp/4001.',
    );
  const deaf = addresses.find(({ problem }) => problem !== undefined);
  if (deaf !== undefined)
    return fail(
      `nobody is let in at ${deaf.address} (${deaf.problem})`,
      'See whether a firewall of this machine drops connections to it.',
    );
  const isConfined = addresses.every(({ address }) => scopeOf(address) === 'loopback');
  if (isConfined && network !== 'loopback')
    return warn(
      `in the network "${network}" the node listens on this machine alone`,
      'Add --listen /ip4/0.0.0.0/tcp/4001, or another address of this machine.',
    );
  return ok(`listens on ${addresses.map(({ address }) => address).join(', ')}`);
}

/** What others are told. */
export interface AnnounceFacts {
  readonly network: NetworkName;
  /** What was given with `--announce`. */
  readonly given: readonly string[];
  /** What the node tells others now. */
  readonly told: readonly string[];
}

/** Whether others can dial what they are told. */
export function judgeAnnouncing({ network, given, told }: AnnounceFacts): Judgement {
  if (network === 'loopback') return skip('in the network "loopback" nobody outside is told anything');
  const useless = given.filter((address) => !isOfUse(address, network));
  if (useless.length > 0)
    return fail(
      `others in the network "${network}" cannot dial ${useless.join(', ')}`,
      'Give --announce an address that they can dial, or leave it out.',
    );
  if (given.length > 0) return ok(`others are told ${given.join(', ')}`);
  const good = told.filter((address) => isOfUse(address, network));
  if (good.length > 0) return ok(`others are told ${good.join(', ')}`);
  const behind =
    'Behind a router that forwards a port, add --announce /ip4/PUBLIC-IP/tcp/PORT; without one the node uses relays.';
  return network === 'public'
    ? warn('the node knows no public address of its own yet', behind)
    : warn('the node has no address to tell others', 'Add --listen /ip4/0.0.0.0/tcp/4001.');
}

/** Whether somebody in that network could dial an address. */
export function isOfUse(address: string, network: NetworkName): boolean {
  const scope = scopeOf(address);
  if (network === 'loopback') return scope === 'loopback';
  if (scope === 'public' || scope === 'name' || scope === 'relayed') return true;
  return network === 'lan' && scope === 'private';
}
