import { BlockList, isIPv6 } from 'node:net';

const local = new BlockList();
for (const [address, prefix] of [
  ['127.0.0.0', 8],
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['169.254.0.0', 16],
  ['100.64.0.0', 10],
] as const)
  local.addSubnet(address, prefix, 'ipv4');
local.addSubnet('::1', 128, 'ipv6');
local.addSubnet('fc00::', 7, 'ipv6');
local.addSubnet('fe80::', 10, 'ipv6');

/** Answers gossipsub's question which addresses many peers may share: all that belong to one house, or one provider. */
export class LocalAddresses extends Set<string> {
  override has(address: string): boolean {
    return local.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
  }
}
