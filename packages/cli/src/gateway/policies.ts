/** The names of all policies. */
export const policies = ['balanced', 'price', 'latency', 'throughput'] as const;

/** What counts when one provider of several is chosen. */
export type GatewayPolicy = (typeof policies)[number];

/** Whether a text names a policy. */
export function isPolicy(value: string): value is GatewayPolicy {
  return (policies as readonly string[]).includes(value);
}
