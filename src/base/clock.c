/* SPDX-License-Identifier: Apache-2.0 */
#include "clock.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define NS_PER_MS INT64_C(1000000)
#define US_PER_S INT64_C(1000000)
#define S_PER_DAY INT64_C(86400)
/* 0000-01-01T00:00:00Z and 9999-12-31T23:59:59.999999Z: what four digits of a year can say. */
#define WALL_MIN_US (INT64_C(-62167219200) * US_PER_S)
#define WALL_MAX_US (INT64_C(253402300800) * US_PER_S - 1)

struct civil {
	int64_t year;
	int month; /* 1 to 12 */
	int day;   /* 1 to 31 */
	int hour, minute, second;
	int weekday; /* 0: Sunday */
	int us;
};

static int64_t
now(clockid_t id, int64_t per_s, long ns_per_unit)
{
	struct timespec ts;

	/* clock_gettime(2) fails only for bad arguments. */
	REQUIRE(clock_gettime(id, &ts) == 0);
	return (int64_t)ts.tv_sec * per_s + ts.tv_nsec / ns_per_unit;
}

int64_t
clock_mono_ns(void)
{
	return now(CLOCK_MONOTONIC, INT64_C(1000000000), 1);
}

int64_t
clock_mono_ms(void)
{
	return clock_mono_ns() / NS_PER_MS;
}

int64_t
clock_wall_us(void)
{
	return now(CLOCK_REALTIME, US_PER_S, 1000);
}

struct deadline
deadline_in_ms(int64_t ms)
{
	struct deadline d;

	if (__builtin_mul_overflow(ms, NS_PER_MS, &d.mono_ns) ||
	    __builtin_add_overflow(d.mono_ns, clock_mono_ns(), &d.mono_ns))
		d.mono_ns = ms < 0 ? 1 : INT64_MAX;
	if (d.mono_ns <= 0)
		d.mono_ns = 1; /* long passed, yet not "never" */
	return d;
}

int
deadline_poll_ms(struct deadline d)
{
	int64_t left;

	if (d.mono_ns == 0)
		return -1;
	left = d.mono_ns - clock_mono_ns();
	if (left <= 0)
		return 0;
	left = left / NS_PER_MS + (left % NS_PER_MS != 0);
	return left > INT_MAX ? INT_MAX : (int)left;
}

bool
deadline_passed(struct deadline d)
{
	return d.mono_ns != 0 && clock_mono_ns() >= d.mono_ns;
}

/*
 * Days since 1970-01-01 and back, in the proleptic Gregorian calendar.  The year is counted from
 * March, so that the leap day is its last; 400 such years have 146097 days; month m (0: March)
 * begins on day (153 m + 2) / 5 of its year.
 */
static int64_t
days_of_civil(int64_t year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t year_of_era = y - era * 400;
	int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 +
	       day_of_year - 719468;
}

static void
civil_of_days(int64_t days, struct civil *c)
{
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t day_of_era = z - era * 146097;
	int64_t year_of_era =
	    (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	int64_t day_of_year =
	    day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t m = (5 * day_of_year + 2) / 153;

	c->day = (int)(day_of_year - (153 * m + 2) / 5 + 1);
	c->month = (int)(m < 10 ? m + 3 : m - 9);
	c->year = year_of_era + era * 400 + (c->month <= 2);
	c->weekday = (int)(((days + 4) % 7 + 7) % 7); /* 1970-01-01 was a Thursday */
}

static struct civil
civil_of_wall(int64_t wall_us)
{
	struct civil c;
	int64_t s, days, of_day;

	if (wall_us < WALL_MIN_US)
		wall_us = WALL_MIN_US;
	if (wall_us > WALL_MAX_US)
		wall_us = WALL_MAX_US;
	c.us = (int)((wall_us % US_PER_S + US_PER_S) % US_PER_S);
	s = (wall_us - c.us) / US_PER_S;
	of_day = (s % S_PER_DAY + S_PER_DAY) % S_PER_DAY;
	days = (s - of_day) / S_PER_DAY;
	c.hour = (int)(of_day / 3600);
	c.minute = (int)(of_day / 60 % 60);
	c.second = (int)(of_day % 60);
	civil_of_days(days, &c);
	return c;
}

/* Writes `width` decimal digits of v; callers keep v within them. */
static char *
put_digits(char *at, int64_t v, int width)
{
	for (int i = width - 1; i >= 0; i--) {
		at[i] = (char)('0' + v % 10);
		v /= 10;
	}
	return at + width;
}

static char *
put_time(char *at, const struct civil *c)
{
	at = put_digits(at, c->hour, 2);
	*at++ = ':';
	at = put_digits(at, c->minute, 2);
	*at++ = ':';
	return put_digits(at, c->second, 2);
}

const char *
clock_format(int64_t wall_us, char out[static CLOCK_STR_SIZE])
{
	struct civil c = civil_of_wall(wall_us);
	char *at = put_digits(out, c.year, 4);

	*at++ = '-';
	at = put_digits(at, c.month, 2);
	*at++ = '-';
	at = put_digits(at, c.day, 2);
	*at++ = 'T';
	at = put_time(at, &c);
	*at++ = '.';
	at = put_digits(at, c.us, 6);
	memcpy(at, "Z", 2);
	return out;
}

static char *
put_text(char *at, const char *text)
{
	while (*text != '\0')
		*at++ = *text++;
	return at;
}

const char *
clock_http_date(int64_t wall_us, char out[static CLOCK_STR_SIZE])
{
	static const char *const days[] = { "Sun, ", "Mon, ", "Tue, ", "Wed, ", "Thu, ", "Fri, ",
		"Sat, " };
	static const char *const months[] = { " Jan ", " Feb ", " Mar ", " Apr ", " May ", " Jun ",
		" Jul ", " Aug ", " Sep ", " Oct ", " Nov ", " Dec " };
	struct civil c = civil_of_wall(wall_us);
	char *at = put_text(out, days[c.weekday]);

	at = put_digits(at, c.day, 2);
	at = put_text(at, months[c.month - 1]);
	at = put_digits(at, c.year, 4);
	*at++ = ' ';
	at = put_time(at, &c);
	at = put_text(at, " GMT");
	*at = '\0';
	return out;
}

/* Reads exactly `width` digits into *ret within [min, max]; the text after them, or NULL. */
static const char *
get_digits(const char *at, int width, int min, int max, int *ret)
{
	int v = 0;

	if (at == NULL)
		return NULL;
	for (int i = 0; i < width; i++) {
		if (at[i] < '0' || at[i] > '9')
			return NULL;
		v = v * 10 + (at[i] - '0');
	}
	if (v < min || v > max)
		return NULL;
	*ret = v;
	return at + width;
}

/* Takes one character that must be `upper` or its lower-case form. */
static const char *
get_char(const char *at, char upper)
{
	bool letter = upper >= 'A' && upper <= 'Z';

	if (at == NULL || (*at != upper && !(letter && *at == upper + ('a' - 'A'))))
		return NULL;
	return at + 1;
}

/* ".123456789": microseconds; digits beyond are dropped. */
static const char *
get_fraction(const char *at, int *ret_us)
{
	int us = 0, n = 0;

	if (at == NULL || *at != '.') {
		*ret_us = 0;
		return at;
	}
	for (at++; *at >= '0' && *at <= '9'; at++) {
		if (++n > 9)
			return NULL;
		if (n <= 6)
			us = us * 10 + (*at - '0');
	}
	for (int i = n; i < 6; i++)
		us *= 10;
	*ret_us = us;
	return n == 0 ? NULL : at;
}

/* "Z" or "+hh:mm" or "-hh:mm": seconds east of UTC. */
static const char *
get_offset(const char *at, int64_t *ret_s)
{
	int hour = 0, minute = 0, sign;

	if (at == NULL)
		return NULL;
	*ret_s = 0;
	if (*at == 'Z' || *at == 'z')
		return at + 1;
	if (*at != '+' && *at != '-')
		return NULL;
	sign = *at == '-' ? -1 : 1;
	at = get_digits(at + 1, 2, 0, 23, &hour);
	at = get_char(at, ':');
	at = get_digits(at, 2, 0, 59, &minute);
	*ret_s = sign * (INT64_C(3600) * hour + INT64_C(60) * minute);
	return at;
}

static int
days_in_month(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return month == 2 && leap ? 29 : days[month - 1];
}

int
clock_parse(const char *text, int64_t *ret_wall_us, struct err *e)
{
	int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, us = 0;
	int64_t offset_s = 0, s;
	const char *at;

	at = get_digits(text, 4, 0, 9999, &year);
	at = get_char(at, '-');
	at = get_digits(at, 2, 1, 12, &month);
	at = get_char(at, '-');
	at = get_digits(at, 2, 1, 31, &day);
	at = get_char(at, 'T');
	at = get_digits(at, 2, 0, 23, &hour);
	at = get_char(at, ':');
	at = get_digits(at, 2, 0, 59, &minute);
	at = get_char(at, ':');
	at = get_digits(at, 2, 0, 60, &second); /* 60: a leap second, read as the next one */
	at = get_fraction(at, &us);
	at = get_offset(at, &offset_s);
	if (at == NULL || *at != '\0' || day > days_in_month(year, month))
		return err_set(
		    e, ERR_INVALID, "expected a time as in RFC 3339, like 2026-11-23T06:16:43Z");
	s = days_of_civil(year, month, day) * S_PER_DAY + INT64_C(3600) * hour +
	    INT64_C(60) * minute + second - offset_s;
	*ret_wall_us = s * US_PER_S + us;
	return 0;
}
