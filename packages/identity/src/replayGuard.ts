import { systemClock, type Clock } from '@lloom/core';
import type { Datastore } from 'interface-datastore';

import { selectBackend } from './adapters/backend.ts';
import { deleteState, NonceStore, type GuardState } from './adapters/nonceStore.ts';
import { resolveGuardLimits, type ReplayGuardLimits } from './config.ts';
import { IdentityError } from './errors.ts';
import { NonceTable, type Nonce, type UsedNonce } from './internal/nonces.ts';
import type { GuardedEnvelope, ReplayGuard } from './ports.ts';

/** How much a replay guard remembers, where, and by which clock. */
export interface ReplayGuardConfig extends ReplayGuardLimits {
  /**
   * Where nonces survive a restart. One guard at a time; the caller opens it before and closes it after the guard.
   * @default in memory: envelopes signed before the guard was made are refused
   */
  readonly datastore?: Datastore;
  /** @default the system's clock */
  readonly clock?: Clock;
}

/** A {@link ReplayGuard} of this package. */
export interface OpenReplayGuard extends ReplayGuard {
  /** How many nonces it holds. */
  readonly size: number;
  /** How many records of the datastore could not be read. When there are any, all older envelopes are refused. */
  readonly damagedRecords: number;
  /** Refuses from now on, and resolves when all is written. Close the datastore after it. */
  close(): Promise<void>;
}

/**
 * A guard that accepts each nonce of a signer once, for as long as its envelope is valid. Its memory is bounded,
 * and a single signer cannot use all of it up. With a datastore, a nonce is written down before its envelope is
 * accepted, so a crash at any moment lets no replay pass.
 *
 * Setting the clock back does not bring forgotten nonces back to life: entries leave by monotonic time, and what is
 * no older than the newest one that left is refused as `EXPIRED`.
 *
 * @throws {IdentityError} `GUARD_UNAVAILABLE` when the datastore cannot be read
 * @throws {ConfigError} `INVALID_CONFIG`
 * @example
 * ```ts
 * const replayGuard = await createReplayGuard({ datastore });
 * await verifySignedMessage(message, { replayGuard }); // a second time throws REPLAYED
 * await replayGuard.close();
 * ```
 */
export async function createReplayGuard(config: ReplayGuardConfig = {}): Promise<OpenReplayGuard> {
  const { datastore, clock = systemClock, ...limits } = config;
  const guard = new NonceGuard(clock, resolveGuardLimits(limits));
  if (datastore !== undefined) {
    const backend = selectBackend();
    await backend.ready;
    await guard.load(new NonceStore(datastore, (bytes) => backend.keccak256(bytes)));
  }
  return guard;
}

/**
 * Notes that nonces may be missing from a datastore, after it was repaired, say: the next guard over it refuses every envelope
 * that is older than itself, because a nonce that is gone may be any nonce used until then. Call it before the guard is made.
 */
export async function doubtNonces(datastore: Datastore): Promise<void> {
  await deleteState(datastore);
}

/** A guard that remembers in memory only. */
export function memoryGuard({ clock }: { readonly clock: Clock }): ReplayGuard {
  return new NonceGuard(clock, resolveGuardLimits());
}

class NonceGuard implements OpenReplayGuard {
  readonly #clock: Clock;
  readonly #limits: Readonly<Required<ReplayGuardLimits>>;
  readonly #table = new NonceTable();
  #store: NonceStore | undefined;
  #state: GuardState;
  #isClosed = false;
  #damagedRecords = 0;
  #forgotten: Nonce[] = [];
  #forgetting: Promise<void> | undefined;
  readonly #writing = new Set<Promise<void>>();

  constructor(clock: Clock, limits: Readonly<Required<ReplayGuardLimits>>) {
    this.#clock = clock;
    this.#limits = limits;
    this.#state = { startedMs: Math.floor(clock.now()) + limits.startMarginMs, horizonMs: 0 };
  }

  get size(): number {
    this.#sweep();
    return this.#table.size;
  }

  get damagedRecords(): number {
    return this.#damagedRecords;
  }

  async load(store: NonceStore): Promise<void> {
    try {
      const { state, entries, damaged } = await store.load();
      const nowMs = this.#clock.now();
      const expired: Nonce[] = [];
      let horizonMs = state?.horizonMs ?? 0;
      for (const entry of entries) {
        if (entry.expiresMs > nowMs) this.#remember(entry);
        else {
          expired.push(entry);
          horizonMs = Math.max(horizonMs, entry.expiresMs);
        }
      }
      this.#damagedRecords = damaged.length;
      // A nonce that cannot be read may be any nonce used until now.
      const startedMs = damaged.length === 0 ? state?.startedMs : undefined;
      this.#state = { startedMs: startedMs ?? this.#state.startedMs, horizonMs };
      await store.forget([...expired, ...damaged], this.#state);
      this.#store = store;
    } catch (cause) {
      throw new IdentityError('GUARD_UNAVAILABLE', { reason: 'datastore' }, { cause });
    }
  }

  async admit({
    signer: writtenSigner,
    nonce: nonceHex,
    timestampMs,
    expiresMs,
  }: GuardedEnvelope): Promise<void> {
    if (this.#isClosed) throw new IdentityError('GUARD_UNAVAILABLE', { reason: 'closed' });
    this.#sweep();
    const { startedMs, horizonMs } = this.#state;
    if (timestampMs < startedMs) throw new IdentityError('OLDER_THAN_START', { timestampMs, startedMs });
    const nowMs = Math.max(this.#clock.now(), horizonMs);
    if (expiresMs <= nowMs) {
      throw new IdentityError('EXPIRED', { expiresMs, nowMs, lateMs: nowMs - expiresMs });
    }
    const signer = writtenSigner.toLowerCase();
    const entry = { signer, nonce: Buffer.from(nonceHex.slice(2), 'hex').toString('latin1'), expiresMs };
    if (this.#table.has(entry)) {
      throw new IdentityError('REPLAYED', { signer: writtenSigner, nonce: nonceHex });
    }
    this.#checkRoom(signer);
    // Remembered before anything is awaited: of two calls at the same time, the second one finds it.
    this.#remember(entry);
    if (this.#store !== undefined) await this.#write(this.#store, entry);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.allSettled(this.#writing);
    await this.#forgetting;
  }

  #checkRoom(signer: string): void {
    const { maxEntries, maxEntriesPerSigner } = this.#limits;
    if (this.#table.sizeOf(signer) >= maxEntriesPerSigner) {
      throw new IdentityError('GUARD_FULL', { scope: 'signer', limit: maxEntriesPerSigner });
    }
    if (this.#table.size >= maxEntries) {
      throw new IdentityError('GUARD_FULL', { scope: 'all', limit: maxEntries });
    }
  }

  #remember(entry: UsedNonce): void {
    this.#table.add(entry, this.#clock.elapsed() + (entry.expiresMs - this.#clock.now()));
  }

  async #write(store: NonceStore, entry: UsedNonce): Promise<void> {
    const writing = store.put(entry);
    this.#writing.add(writing);
    try {
      await writing;
    } catch (cause) {
      this.#table.remove(entry);
      throw new IdentityError('GUARD_UNAVAILABLE', { reason: 'datastore' }, { cause });
    } finally {
      this.#writing.delete(writing);
    }
  }

  #sweep(): void {
    const { gone, latestExpiryMs } = this.#table.sweep(this.#clock.elapsed());
    if (latestExpiryMs > this.#state.horizonMs) this.#state = { ...this.#state, horizonMs: latestExpiryMs };
    if (this.#store === undefined || this.#isClosed || gone.length === 0) return;
    this.#forgotten.push(...gone);
    this.#forgetting ??= this.#forgetAll(this.#store);
  }

  /** Deletes what has left, in the background: nobody waits for it, and what fails is deleted at the next start. */
  async #forgetAll(store: NonceStore): Promise<void> {
    try {
      while (this.#forgotten.length > 0) {
        const gone = this.#forgotten;
        this.#forgotten = [];
        await store.forget(gone, this.#state);
      }
    } catch {
      // Expired records that stay are harmless.
    } finally {
      this.#forgetting = undefined;
    }
  }
}
