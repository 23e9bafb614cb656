import { storm } from './storm.ts';
const { agesMs, ...rest } = await storm(process.argv[2] as never);
console.log(JSON.stringify({ asked: agesMs.length, max: Math.max(...agesMs), ...rest }));
