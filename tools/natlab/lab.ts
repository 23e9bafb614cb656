// An internet of namespaces: hosts, home routers and firewalls, on one bridge that leads nowhere else.
import { Place } from './place.ts';
import { rulesOf, type Kind } from './rules.ts';
import { ip, run, runWithin } from './system.ts';

export { Place } from './place.ts';
export { listenPort, type Kind } from './rules.ts';
export { canRun, skipped } from './system.ts';

/** What addresses a laboratory has. */
export interface LabConfig {
  /**
   * Whether the numbers outside are such as the whole internet routes, each with another first byte. They go nowhere
   * from here.
   * @default false - private ones
   */
  readonly isGlobal?: boolean;
}

const prefix = 'natlab';
let labs = 0;

/** Namespaces, of which none is connected to this machine. They are there until it is closed. */
export class Lab implements AsyncDisposable {
  readonly #name: string;
  readonly #isGlobal: boolean;
  readonly #namespaces = new Set<string>();
  #outsides = 0;
  #insides = 0;
  #ports = 0;

  private constructor({ isGlobal = false }: LabConfig) {
    labs += 1;
    this.#name = `${prefix}-${process.pid}-${labs}`;
    this.#isGlobal = isGlobal;
  }

  /** An internet without anybody. Removes what processes that are gone have left behind. */
  static async create(config: LabConfig = {}): Promise<Lab> {
    await removeStale();
    const lab = new Lab(config);
    await lab.#guarded(async () => {
      const internet = await lab.#addNamespace('internet');
      await ip(['link add name switch type bridge', 'link set switch up'], internet);
    });
    return lab;
  }

  /** Adds a host, with its router where the kind has one. */
  async add(name: string, kind: Kind): Promise<Place> {
    return this.#guarded(async () => {
      const hasRouter = kind !== 'public' && kind !== 'firewall';
      const host = await this.#addNamespace(name);
      const edge = hasRouter ? await this.#addNamespace(`${name}-router`) : host;
      const outside = this.#nextOutside();
      await this.#connect(edge, outside);
      const inside = hasRouter ? await this.#addLan(edge, host) : outside;
      if (kind !== 'public') await runWithin(edge, ['nft', '-f', '-'], rulesOf(kind, inside));
      await this.#mustBeApart();
      const nextOutside = this.#nextOutside.bind(this);
      return new Place({ name, kind, namespace: host, edge, outside, nextOutside });
    });
  }

  /** Removes everything. Programs that run there should have ended. */
  async close(): Promise<void> {
    const names = [...this.#namespaces];
    this.#namespaces.clear();
    if (names.length > 0) await ip(names.map((name) => `netns del ${name}`));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  get #internet(): string {
    return `${this.#name}-internet`;
  }

  async #guarded<T>(act: () => Promise<T>): Promise<T> {
    try {
      return await act();
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async #addNamespace(name: string): Promise<string> {
    const full = `${this.#name}-${name}`;
    await ip([`netns add ${full}`]);
    this.#namespaces.add(full);
    await ip(['link set lo up'], full);
    return full;
  }

  /** Everybody is one hop away: whatever address is asked for, whoever has it answers. */
  async #connect(edge: string, outside: string): Promise<void> {
    this.#ports += 1;
    const port = `port${this.#ports}`;
    await ip(
      [
        `link add ${port} type veth peer name wan netns ${edge}`,
        `link set ${port} master switch`,
        `link set ${port} up`,
      ],
      this.#internet,
    );
    // Nobody knows a way to the networks of others, and says so at once.
    await ip(
      [
        `addr add ${outside}/32 dev wan`,
        'link set wan up',
        'route add default dev wan',
        'route add unreachable 192.168.0.0/16',
      ],
      edge,
    );
  }

  /** A network of router and host. What the router has no record of is no connection, and is not taken for one. */
  async #addLan(router: string, host: string): Promise<string> {
    this.#insides += 1;
    const lan = `192.168.${this.#insides}`;
    await ip(
      [
        `link add lan type veth peer name eth netns ${host}`,
        `addr add ${lan}.1/24 dev lan`,
        'link set lan up',
      ],
      router,
    );
    await ip([`addr add ${lan}.2/24 dev eth`, 'link set eth up', `route add default via ${lan}.1`], host);
    const settings =
      'echo 1 > net/ipv4/ip_forward; echo 0 > net/netfilter/nf_conntrack_tcp_loose; echo 0 > net/ipv4/icmp_ratelimit';
    await runWithin(router, ['sh', '-ec', `cd /proc/sys; ${settings}`]);
    return `${lan}.2`;
  }

  #nextOutside(): string {
    this.#outsides += 1;
    const n = this.#outsides;
    // Strangers live in different networks, and whoever asks for too much is known by his.
    if (!this.#isGlobal) return `10.${n & 255}.7.${1 + (n >> 8)}`;
    // Below 100, where no first byte is that of a private range.
    const first = 10 + n;
    if (first >= 100) throw new Error('no routable number is left');
    return `${first}.7.0.1`;
  }

  /** @throws when a namespace has a link to anything but another one of this laboratory */
  async #mustBeApart(): Promise<void> {
    for (const namespace of this.#namespaces) {
      const lines = await run('ip', ['-n', namespace, '-o', 'link', 'show', 'up']);
      for (const line of lines.split('\n').filter((text) => text !== '')) {
        const [, name = ''] = line.split(': ');
        const peer = / link-netns (?<peer>\S+)/.exec(line)?.groups?.['peer'] ?? '';
        const isInner = ['lo', 'switch'].includes(name) || this.#namespaces.has(peer);
        if (!isInner) throw new Error(`${namespace} has a way out: ${line}`);
      }
    }
  }
}

/** Removes the namespaces of processes that are gone. */
async function removeStale(): Promise<void> {
  const list = await run('ip', ['netns', 'list']);
  const names = list.split('\n').map((line) => line.split(' ')[0]!);
  const stale = names.filter((name) => {
    const pid = new RegExp(`^${prefix}-(?<pid>\\d+)-`).exec(name)?.groups?.['pid'];
    return pid !== undefined && !isAlive(Number(pid));
  });
  // Somebody else may remove them at the same time.
  await Promise.allSettled(stale.map((name) => run('ip', ['netns', 'del', name])));
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
