import { Lab, type Kind, type LabConfig } from './lab.ts';
import { Member, type MemberConfig } from './member.ts';

/** Whole nodes in a laboratory of their own. */
export class LabNetwork implements AsyncDisposable {
  readonly #lab: Lab;
  readonly #defaults: MemberConfig;
  readonly #members: Member[] = [];

  private constructor(lab: Lab, defaults: MemberConfig) {
    this.#lab = lab;
    this.#defaults = defaults;
  }

  /** @param defaults what all members have in common */
  static async create(config: LabConfig = {}, defaults: MemberConfig = {}): Promise<LabNetwork> {
    return new LabNetwork(await Lab.create(config), defaults);
  }

  /** Resolves when the new one has joined. */
  async add(name: string, kind: Kind, config: MemberConfig = {}): Promise<Member> {
    const member = new Member(await this.#lab.add(name, kind), { ...this.#defaults, ...config });
    this.#members.push(member);
    return member.start();
  }

  /** Ends every node without a word to anybody, and removes the laboratory. */
  async close(): Promise<void> {
    await Promise.all(this.#members.map((member) => member.crash()));
    await this.#lab.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
