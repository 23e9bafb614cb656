import { validator } from '@lloom/behaviour/presets';
import { obtainIdentity } from './identityFile.ts';
import { beReachable, fullAddresses, offer, runServer, startNode } from './node.ts';
import type { NodeOptions } from './options.ts';
import type { Session } from './session.ts';

/** What `lloom validator` takes. */
export interface ValidatorOptions extends NodeOptions {
  readonly stake: string;
}

/** Runs a validator until it is asked to stop; gives the exit code. */
export async function validate(options: ValidatorOptions, session: Session): Promise<number> {
  const { stake } = options;
  const identity = await obtainIdentity(options, session);
  const started = await startNode(identity, options, { session, preset: validator });
  const { node } = started;
  return runServer(started, { options, session, role: 'validator' }, async () => {
    const { peerId, evmAddress } = identity;
    const addresses = fullAddresses(node);
    session.output.event('ready', { role: 'validator', peerId, evmAddress, addresses, stake }, [
      `Validator ${peerId} is ready. Others join through:`,
      ...addresses.map((address) => `  --bootstrap ${address}`),
    ]);
    await beReachable(node, options, session);
    await offer(node, { kind: 'validator', stake }, session);
  });
}
