import { decodeDescriptorFrame, type ServiceDescriptor, type SignedMessage } from '@lloom/codec';
import { toPeerId } from '@lloom/core';
import { describe, expect, it } from 'vitest';
import { FakeMeter } from '../../test/descriptors.ts';
import {
  addressOf,
  createVerifier,
  descriptorFrame,
  executor,
  FakeClock,
  FakeSigner,
  peerIds,
  tampered,
} from '../../test/fakes.ts';
import type { ChannelVerdict } from '../ports.ts';
import type { DropReason } from '../types.ts';
import { Hints } from './hints.ts';
import { Intake } from './intake.ts';
import { KnownPeers } from './knownPeers.ts';
import { SilentPeers } from './silentPeers.ts';

const { alice, bob, carol } = peerIds;

function begin({ hasVerifier = true, hasMeter = true, canSign = true, isBroken = false } = {}) {
  const clock = new FakeClock();
  const meter = new FakeMeter();
  const known = new KnownPeers(clock, 60_000);
  const hints = new Hints(clock, 90_000);
  const silent = new SilentPeers(clock);
  const taken: string[] = [];
  const errors: string[] = [];
  const facts: string[] = [];
  const intake = new Intake({
    reputation: { report: (peerId, fact) => void facts.push(`${peerId} ${fact}`) },
    peerId: alice,
    clock,
    meter: hasMeter ? meter : undefined,
    verifier: hasVerifier
      ? {
          ...createVerifier(clock),
          addressOf: (peerId) => {
            if (isBroken) throw new TypeError('a mistake of ours');
            return canSign ? addressOf(peerId) : undefined;
          },
        }
      : undefined,
    known,
    hints,
    silent,
    onError: (text) => errors.push(text),
    onTaken: ({ payload }) => taken.push(payload.peerId),
  });
  /** A frame of Bob, unless a test wants otherwise. */
  const frame = (wrong: Parameters<typeof descriptorFrame>[2] = {}, peerId = bob): Promise<Uint8Array> =>
    descriptorFrame(peerId, [executor()], { clock, ...wrong });
  const message = async (...args: Parameters<typeof frame>): Promise<SignedMessage<ServiceDescriptor>> =>
    decodeDescriptorFrame(await frame(...args))!;
  return { clock, meter, known, hints, silent, taken, errors, facts, intake, frame, message };
}

type Harness = ReturnType<typeof begin>;

const newer = { descriptor: { sequence: 6 } };
const older = { descriptor: { sequence: 4 } };

/** What is wrong, under which reason it is counted, and what whoever passes it on deserves. */
interface Wrong {
  readonly what: string;
  readonly make: (at: Harness) => Promise<Uint8Array>;
  readonly reason: DropReason;
  readonly verdict: ChannelVerdict;
}

const row = (what: string, make: Wrong['make']) => ({
  counts: (reason: DropReason, verdict: ChannelVerdict): Wrong => ({ what, make, reason, verdict }),
});

const wrongs = [
  row('bytes that are no frame', async () => new Uint8Array([255, 255, 255])).counts('MALFORMED', 'reject'),
  // A newer version may allow more, and whoever passes it on is up to date.
  row('more bytes than there may be', async () => new Uint8Array(70_000)).counts('MALFORMED', 'ignore'),
  row('valid for too long', ({ frame }) => frame({ ...newer, ttlMs: 600_001 })).counts('MALFORMED', 'reject'),
  row('changed', async ({ frame }) => tampered(await frame(newer))).counts('FORGED', 'reject'),
  row('signed by another', ({ frame, clock }) =>
    frame({ ...newer, signer: new FakeSigner(carol, clock) }),
  ).counts('FOREIGN', 'reject'),
  row('expired', ({ frame }) => frame({ ...newer, clock: { now: () => 1_000 } })).counts('STALE', 'ignore'),
  row('older than what is known', ({ frame }) => frame(older)).counts('STALE', 'ignore'),
];

describe('what a peer announces of itself', () => {
  it('is believed, and ends what was said of it and its silence', async () => {
    const { hints, intake, known, meter, silent, taken, frame } = begin();
    hints.note(bob, ['other']);
    silent.note(bob);
    await intake.announced(bob, await frame());
    expect([known.services(bob), taken]).toEqual([[executor()], [bob]]);
    expect([hints.peersFor(undefined), silent.has(bob)]).toEqual([[], false]);
    expect(intake.counts).toMatchObject({ live: 1, kept: 1, accepted: 1 });
    expect(meter.counts).toEqual(new Map([['discovery_descriptors_accepted_total', 1]]));
  });

  it.each(wrongs)('is refused and counted when it is $what', async ({ make, reason }) => {
    const at = begin();
    // Nothing older counts, and what is known is not live any more.
    await at.intake.announced(bob, await at.frame({ descriptor: { sequence: 5 } }));
    at.known.disbelieve(bob);
    const refusal = at.intake.announced(bob, await make(at));
    await expect(refusal).rejects.toMatchObject({ code: 'DESCRIPTOR_REFUSED', data: { peerId: bob } });
    expect(at.intake.counts.dropped).toMatchObject({ [reason]: 1 });
    expect(Object.values(at.intake.counts.dropped).reduce((sum, count) => sum + count)).toBe(1);
    expect(at.meter.counts.get(`discovery_descriptors_dropped_total ${reason}`)).toBe(1);
    expect(at.known.get(bob)).toBeUndefined();
  });

  it('is refused when it is about another peer, however well signed', async () => {
    const { intake, known, frame } = begin();
    const about = await frame({ descriptor: { peerId: carol } });
    await expect(intake.announced(bob, about)).rejects.toMatchObject({ data: { reason: 'WRONG_PEER' } });
    await expect(intake.announced(bob, await frame({}, carol))).rejects.toMatchObject({
      data: { reason: 'WRONG_SIGNER' },
    });
    expect([intake.counts.dropped.FOREIGN, known.size]).toEqual([2, 0]);
  });

  it.each([
    ['bytes that are no frame', async () => new Uint8Array([255, 255, 255]), true],
    ['a frame that was changed', async ({ frame }: Harness) => tampered(await frame()), true],
    ['a descriptor of somebody else', ({ frame }: Harness) => frame({}, carol), true],
    ['more bytes than there may be', async () => new Uint8Array(70_000), false],
    ['what has expired', ({ frame }: Harness) => frame({ clock: { now: () => 1_000 } }), false],
  ])('that is %s is held against it: %o', async (_, make, isHeld) => {
    const at = begin();
    await expect(at.intake.announced(bob, await make(at))).rejects.toMatchObject({ data: { peerId: bob } });
    expect(at.facts).toEqual(isHeld ? [`${bob} INVALID_DESCRIPTOR`] : []);
  });

  it('more often than it may is not held against it, nor what others pass on', async () => {
    const { intake, facts, frame, message } = begin();
    for (let times = 0; times < 16; times++) await intake.announced(bob, await frame());
    await expect(intake.announced(bob, await frame())).rejects.toMatchObject({
      data: { reason: 'TOO_MANY' },
    });
    expect(await intake.relayed(tampered(await frame({}, carol)))).toBe('reject');
    await intake.take({ ...(await message({}, carol)), timestampMs: 1 });
    expect(facts).toEqual([]);
  });

  it('with a kind of key that cannot sign is not held against it', async () => {
    const { intake, facts, frame } = begin({ canSign: false });
    await expect(intake.announced(bob, await frame())).rejects.toMatchObject({
      data: { reason: 'KEY_TYPE' },
    });
    expect(facts).toEqual([]);
  });

  it('is refused under another spelling of its id', async () => {
    const { intake, known, frame } = begin();
    const spelled = toPeerId(bob).toCID().toString();
    await expect(intake.announced(spelled, await frame({}, spelled))).rejects.toMatchObject({
      data: { reason: 'WRONG_PEER' },
    });
    expect(await intake.relayed(await frame({}, spelled))).toBe('reject');
    expect([intake.counts.dropped, known.size]).toMatchObject([{ FOREIGN: 2 }, 0]);
  });

  it('is refused when its key cannot sign', async () => {
    const { intake, frame } = begin({ canSign: false });
    await expect(intake.announced(bob, await frame())).rejects.toMatchObject({
      data: { reason: 'KEY_TYPE' },
    });
    expect(intake.counts.dropped.FOREIGN).toBe(1);
  });

  it('counts again although it says the same: it lives', async () => {
    const { clock, intake, known, frame } = begin();
    const said = await frame();
    await intake.announced(bob, said);
    await clock.advance(40_000);
    await intake.announced(bob, said);
    await clock.advance(40_000);
    expect(known.get(bob)?.heardAt).toBe(clock.now() - 40_000);
    expect(intake.counts).toMatchObject({ accepted: 2, dropped: { REPLAYED: 0 } });
  });

  it('does no harm when it is older than what is believed', async () => {
    const { intake, known, frame } = begin();
    await intake.announced(bob, await frame({ descriptor: { sequence: 5 } }));
    await intake.announced(bob, await frame({ descriptor: { sequence: 4 } }));
    expect(known.get(bob)?.message.payload.sequence).toBe(5);
    expect(intake.counts).toMatchObject({ accepted: 1, dropped: { STALE: 1 } });
  });

  it('is not believed when it says never to have offered anything', async () => {
    const { intake, known, frame } = begin();
    await intake.announced(bob, await frame());
    await intake.announced(bob, new Uint8Array());
    // Kept: what it had signed before is valid still, and somebody may relay it.
    expect([known.live(), known.size]).toEqual([[], 1]);
  });

  it('is read 16 times at once and once a second after that, for each peer', async () => {
    const { clock, intake, frame } = begin();
    const said = await frame();
    for (let times = 0; times < 16; times++) await intake.announced(bob, said);
    await expect(intake.announced(bob, said)).rejects.toMatchObject({ data: { reason: 'TOO_MANY' } });
    await intake.announced(carol, await frame({}, carol));
    await clock.advance(1_000);
    await intake.announced(bob, await frame());
    expect(intake.counts).toMatchObject({ accepted: 18, dropped: { TOO_MANY: 1 } });
  });

  it('is passed on no more often, when others relay it, and nobody is to blame for that', async () => {
    const { clock, intake, frame } = begin();
    const verdicts: ChannelVerdict[] = [];
    for (let sequence = 1; sequence <= 17; sequence++)
      verdicts.push(await intake.relayed(await frame({ descriptor: { sequence } })));
    expect(verdicts).toEqual([...Array.from({ length: 16 }, () => 'accept'), 'ignore']);
    // What somebody forges under its name takes nothing from it.
    for (let times = 0; times < 20; times++) await intake.relayed(tampered(await frame({}, carol)));
    expect(await intake.relayed(await frame({}, carol))).toBe('accept');
    await clock.advance(1_000);
    expect(await intake.relayed(await frame({ descriptor: { sequence: 18 } }))).toBe('accept');
  });

  it('is nobody’s fault when this node fails to prove it', async () => {
    const { errors, intake, frame } = begin({ isBroken: true });
    expect(await intake.relayed(await frame())).toBe('ignore');
    await expect(intake.announced(bob, await frame())).rejects.toThrow(TypeError);
    expect([intake.counts.dropped, errors.length]).toEqual([begin().intake.counts.dropped, 1]);
  });

  it('cannot be proven without a verifier, and nobody is to blame for that', async () => {
    const { intake, frame } = begin({ hasVerifier: false });
    await expect(intake.announced(bob, await frame())).rejects.toMatchObject({ code: 'MISSING_VERIFIER' });
    expect(intake.counts.dropped).toEqual(begin().intake.counts.dropped);
  });

  it('is counted without a meter', async () => {
    const { intake, frame } = begin({ hasMeter: false });
    await intake.announced(bob, await frame());
    await expect(intake.announced(bob, new Uint8Array([255]))).rejects.toThrow('MALFORMED');
    expect(intake.counts).toMatchObject({ accepted: 1, dropped: { MALFORMED: 1 } });
  });
});

describe('what the channel brings', () => {
  it('is passed on when it is news, once', async () => {
    const { clock, intake, known, frame } = begin();
    const said = await frame();
    expect(await intake.relayed(said)).toBe('accept');
    expect(known.services(bob)).toEqual([executor()]);
    expect(await intake.relayed(said)).toBe('ignore');
    await clock.advance(1);
    expect(await intake.relayed(await frame())).toBe('accept');
    expect(intake.counts).toMatchObject({ accepted: 2, dropped: { REPLAYED: 1 } });
  });

  it.each(wrongs)('is dropped and counted when it is $what', async ({ make, reason, verdict }) => {
    const at = begin();
    await at.intake.announced(bob, await at.frame({ descriptor: { sequence: 5 } }));
    expect(await at.intake.relayed(await make(at))).toBe(verdict);
    expect(at.intake.counts.dropped[reason]).toBe(1);
    expect(at.known.get(bob)?.message.payload.sequence).toBe(5);
  });

  it('is dropped when nothing is in it', async () => {
    const { intake } = begin();
    expect(await intake.relayed(new Uint8Array())).toBe('reject');
    expect(intake.counts.dropped.MALFORMED).toBe(1);
  });

  it('proves no life: what was said once is not believed for longer by being repeated', async () => {
    const { clock, intake, known, frame } = begin();
    const said = await frame();
    await intake.relayed(said);
    await clock.advance(59_000);
    expect(await intake.relayed(said)).toBe('ignore');
    await clock.advance(1_000);
    expect([known.live(), known.size]).toEqual([[], 1]);
    expect(await intake.relayed(said)).toBe('ignore');
    expect(known.live()).toEqual([]);
  });

  it('is nobody’s fault when it has a kind of key that this node does not know', async () => {
    const { intake, facts, frame } = begin({ canSign: false });
    expect(await intake.relayed(await frame())).toBe('ignore');
    expect([intake.counts.dropped.FOREIGN, facts]).toEqual([1, []]);
  });

  it('is not news when it is about this node', async () => {
    const { intake, known, frame } = begin();
    expect(await intake.relayed(await frame({}, alice))).toBe('ignore');
    expect([known.size, intake.counts.accepted]).toEqual([0, 0]);
  });

  it('is nobody’s fault when this node can prove nothing', async () => {
    const { intake, frame } = begin({ hasVerifier: false });
    expect(await intake.relayed(await frame())).toBe('ignore');
    expect(intake.counts.dropped.MALFORMED).toBe(0);
  });
});

describe('what somebody shows', () => {
  it('is proven and remembered', async () => {
    const { intake, known, message } = begin();
    const shown = await message();
    expect(await intake.take(shown)).toEqual({ message: shown });
    expect(known.services(bob)).toEqual([executor()]);
  });

  it('is what is known when it is the same, and not proven again', async () => {
    const { intake, known, message } = begin();
    const shown = await message();
    await intake.take(shown);
    const forged = { ...shown, signature: `0x${'0'.repeat(130)}` } as const;
    expect(await intake.take(forged)).toEqual({ message: known.get(bob)?.message });
    expect(intake.counts.accepted).toBe(1);
  });

  it('is refused with a reason', async () => {
    const { clock, intake, message } = begin();
    await intake.take(await message({ descriptor: { sequence: 5 } }));
    const signer = new FakeSigner(carol, clock);
    expect(await intake.take(await message({ descriptor: { sequence: 4 } }))).toEqual({ refused: 'STALE' });
    expect(await intake.take(await message({ signer, descriptor: { sequence: 6 } }))).toEqual({
      refused: 'WRONG_SIGNER',
    });
    expect(intake.counts.dropped).toMatchObject({ STALE: 1, FOREIGN: 1 });
  });

  it('is refused when it is known and not believed any more: it proves no life', async () => {
    const { intake, known, message } = begin();
    const shown = await message();
    await intake.take(shown);
    known.disbelieve(bob);
    expect(await intake.take(shown)).toEqual({ refused: 'REPLAYED' });
  });

  it('is true of this node, and not remembered', async () => {
    const { intake, known, message } = begin();
    const shown = await message({}, alice);
    expect(await intake.take(shown)).toEqual({ message: shown });
    expect(known.size).toBe(0);
  });

  it('cannot be proven without a verifier', async () => {
    const { intake, message } = begin({ hasVerifier: false });
    expect(await intake.take(await message())).toEqual({ refused: 'MISSING_VERIFIER' });
  });
});
