/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/delay_sample.h"

#include <math.h>

/* Above 0 and up to 1: the logarithm and the powers below have a value for each. */
static double unit(uint64_t random)
{
	return ldexp((double)((random >> 11) + 1), -53);
}

/*
 * The tail falls with the power 1.5 of the delay and is cut at 1000 times the
 * mean. Of the part that is cut off the mean lacks about 1%, which the
 * scale makes up for: it solves 3 s - 2 s^1.5 / sqrt(1000) = 1 where s is the
 * smallest delay, in means.
 */
static double pareto(double mean, double u)
{
	const double shape = 1.5, scale = 0.3374662268371829, cut = 1000;
	double value = scale * pow(u, -1 / shape);

	return mean * (value < cut ? value : cut);
}

/* Box and Muller's; the second number that it could give is not kept, as that would be a state. */
static double normal(double mean, double deviation, double u1, double u2)
{
	double value = mean + deviation * sqrt(-2 * log(u1)) * cos(2 * M_PI * u2);

	return value > 0 ? value : 0;
}

double delay_sample(const struct storage_delay_options *options, uint64_t random1, uint64_t random2)
{
	double mean = options->mean_us, spread = options->spread_us;

	switch (options->kind) {
	case STORAGE_DELAY_FIXED:
		break;
	case STORAGE_DELAY_UNIFORM:
		return mean + spread * (2 * unit(random1) - 1);
	case STORAGE_DELAY_NORMAL:
		return normal(mean, spread, unit(random1), unit(random2));
	case STORAGE_DELAY_EXPONENTIAL:
		return -mean * log(unit(random1));
	case STORAGE_DELAY_PARETO:
		return pareto(mean, unit(random1));
	}
	return mean;
}
