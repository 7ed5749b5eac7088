/* SPDX-License-Identifier: Apache-2.0 */
#include "top_screen.h"

#include <curses.h>
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define EXIT_USAGE  2
#define EXIT_FAILED 3

#define KEY_ESCAPE 27

enum { COLOR_NOISY = 1, COLOR_PROBLEM };

struct screen {
	struct top_options *options;
	struct top_view *view;
	struct top_source *source;
	int answers;             /* a descriptor */
	struct top_answer *last; /* the reading before the next; NULL: none, or straitd was gone since */
	struct top_rates rates;  /* of the last two */
	bool has_rates;
	struct top_page page;
	struct error problem; /* code 0: none */
	unsigned long left;   /* readings; 0: no end */
	bool waiting;         /* for an answer */
	bool over;
	double next; /* when to ask again */
};

static volatile sig_atomic_t signal_number;

static void on_signal(int number)
{
	signal_number = number;
}

static double now_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static attr_t attributes_of(enum top_style style)
{
	switch (style) {
	case TOP_STYLE_TITLE:
		return A_BOLD;
	case TOP_STYLE_HEADER:
		return A_REVERSE;
	case TOP_STYLE_NOISY:
		return A_BOLD | (has_colors() ? (attr_t)COLOR_PAIR(COLOR_NOISY) : 0);
	case TOP_STYLE_PROBLEM:
		return A_BOLD | (has_colors() ? (attr_t)COLOR_PAIR(COLOR_PROBLEM) : A_REVERSE);
	case TOP_STYLE_FAINT:
		return A_DIM;
	default:
		return A_NORMAL;
	}
}

static void draw(struct screen *screen)
{
	const unsigned width = COLS > 0 ? (unsigned)COLS : 1, height = LINES > 0 ? (unsigned)LINES : 1;

	screen->view->problem = screen->problem.code ? screen->problem.text : NULL;
	if (top_view_render(screen->view, screen->has_rates ? &screen->rates : NULL, width, height, &screen->page) < 0)
		return;
	erase();
	for (unsigned i = 0; i < screen->page.count; i++) {
		const struct top_line *line = &screen->page.lines[i];
		const attr_t attributes = attributes_of(line->style);

		attrset((int)attributes);
		/* A header is a bar as wide as the screen. */
		if (line->style == TOP_STYLE_HEADER)
			mvhline((int)i, 0, ' ' | attributes, (int)width);
		mvaddnstr((int)i, 0, line->text, (int)width);
		if (line->mark_to > line->mark_from && line->mark_to <= width) {
			attrset((int)(A_BOLD | A_UNDERLINE));
			mvaddnstr((int)i, (int)line->mark_from, line->text + line->mark_from,
				  (int)(line->mark_to - line->mark_from));
		}
	}
	attrset(A_NORMAL);
	refresh();
}

static void take_reading(struct screen *screen, struct top_answer *answer)
{
	struct top_rates rates;

	/* Freezing keeps what is seen, not what comes. */
	if (!screen->view->frozen) {
		if (top_rates_compute(&rates, screen->last ? &screen->last->reading : NULL, &answer->reading) < 0) {
			top_rates_free(&rates);
			screen->over = true;
		} else {
			top_rates_free(&screen->rates);
			screen->rates = rates;
			screen->has_rates = true;
		}
	}
	top_answer_free(screen->last);
	screen->last = answer;
}

static void take_answer(struct screen *screen)
{
	struct top_answer *answer = top_source_take(screen->source);

	screen->waiting = false;
	screen->problem.code = 0;
	if (!answer) {
		error_set(&screen->problem, -ENOMEM, "out of memory");
	} else if (answer->ret < 0) {
		error_set(&screen->problem, answer->ret, "%s (trying again)", answer->err.text);
		top_answer_free(answer);
		/* What was before belongs to another process, perhaps. */
		top_answer_free(screen->last);
		screen->last = NULL;
	} else {
		take_reading(screen, answer);
		if (screen->left && --screen->left == 0)
			screen->over = true;
	}
}

static void type_filter(struct screen *screen, int key)
{
	char *filter = screen->view->filter;
	const size_t length = strlen(filter);

	if (key == '\n' || key == '\r' || key == KEY_ENTER) {
		screen->view->typing = false;
	} else if (key == KEY_ESCAPE) {
		screen->view->typing = false;
		filter[0] = '\0';
	} else if (key == KEY_BACKSPACE || key == 127 || key == '\b') {
		filter[length ? length - 1 : 0] = '\0';
	} else if (key >= ' ' && key <= '~' && length + 1 < sizeof(screen->view->filter)) {
		filter[length] = (char)key;
		filter[length + 1] = '\0';
	}
}

static void sort_by(struct screen *screen, enum top_column column)
{
	screen->view->sort = column;
	screen->view->offset = 0;
}

static void scroll_by(struct screen *screen, int lines)
{
	const long offset = (long)screen->view->offset + lines;

	/* Too far is brought back when it is drawn. */
	screen->view->offset = offset > 0 ? (unsigned)offset : 0;
}

static bool scroll_key(struct screen *screen, int key)
{
	const int page = screen->page.rows > 1 ? (int)screen->page.rows - 1 : 1;

	switch (key) {
	case KEY_UP:
		scroll_by(screen, -1);
		return true;
	case KEY_DOWN:
		scroll_by(screen, 1);
		return true;
	case KEY_PPAGE:
		scroll_by(screen, -page);
		return true;
	case KEY_NPAGE:
		scroll_by(screen, page);
		return true;
	case KEY_HOME:
		scroll_by(screen, -(1 << 30));
		return true;
	case KEY_END:
		scroll_by(screen, 1 << 30);
		return true;
	default:
		return false;
	}
}

static bool sort_key(struct screen *screen, int key)
{
	static const struct {
		int key;
		enum top_column column;
	} keys[] = {{'n', TOP_COLUMN_NAME},  {'i', TOP_COLUMN_IOPS}, {'m', TOP_COLUMN_MEGABYTES},
		    {'d', TOP_COLUMN_DEPTH}, {'p', TOP_COLUMN_P99},  {'h', TOP_COLUMN_HELD}};

	if (key == KEY_LEFT || key == '<' || key == KEY_RIGHT || key == '>') {
		top_view_sort_next(screen->view, key == KEY_LEFT || key == '<' ? -1 : 1, (unsigned)COLS,
				   screen->has_rates ? &screen->rates : NULL);
		return true;
	}
	for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (key == keys[i].key) {
			sort_by(screen, keys[i].column);
			return true;
		}
	}
	return false;
}

static void change_delay(struct screen *screen, double factor)
{
	const double delay = screen->view->delay * factor;

	/* The steps are halves and doubles, and the limits those of --delay. */
	if (delay >= 0.1 && delay <= 3600)
		screen->view->delay = delay;
	screen->next = 0;
}

static void take_key(struct screen *screen, int key)
{
	struct top_view *view = screen->view;

	if (view->typing) {
		type_filter(screen, key);
		return;
	}
	if (scroll_key(screen, key) || sort_key(screen, key))
		return;
	switch (key) {
	case 'q':
	case 'Q':
		screen->over = true;
		break;
	case '?':
		view->help = !view->help;
		view->offset = 0;
		break;
	case KEY_ESCAPE:
		view->help = false;
		view->filter[0] = '\0';
		break;
	case 'r':
		view->reverse = !view->reverse;
		break;
	case '/':
		view->typing = true;
		break;
	case ' ':
		view->frozen = !view->frozen;
		break;
	case 'u':
		view->plain = !view->plain;
		break;
	case 'w':
		view->workers = !view->workers;
		break;
	case '+':
		change_delay(screen, 2);
		break;
	case '-':
		change_delay(screen, 0.5);
		break;
	case KEY_RESIZE:
	default:
		break;
	}
}

static void begin_terminal(void)
{
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	set_escdelay(25);
	curs_set(0);
	if (has_colors() && !getenv("NO_COLOR")) {
		start_color();
		use_default_colors();
		init_pair(COLOR_NOISY, COLOR_YELLOW, -1);
		init_pair(COLOR_PROBLEM, COLOR_RED, -1);
	}
}

static void catch_signals(void)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
	struct sigaction action = {.sa_handler = on_signal};

	for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		sigaction(numbers[i], &action, NULL);
}

/* Until something happens; then what has happened is dealt with. */
static void turn(struct screen *screen)
{
	struct pollfd polled[] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = screen->answers, .events = POLLIN}};
	const double now = now_seconds();
	int key;

	if (!screen->waiting && now >= screen->next) {
		top_source_ask(screen->source);
		screen->waiting = true;
		screen->next = now + screen->view->delay;
	}
	if (poll(polled, 2, screen->waiting ? -1 : (int)ceil((screen->next - now) * 1000)) < 0 && errno != EINTR)
		screen->over = true;
	if (polled[1].revents)
		take_answer(screen);
	/* The terminal is gone. */
	if (polled[0].revents & (POLLHUP | POLLERR | POLLNVAL))
		screen->over = true;
	while ((key = getch()) != ERR)
		take_key(screen, key);
}

int top_screen_run(struct top_options *options, struct top_source *source)
{
	struct screen screen = {.options = options, .view = &options->view, .source = source, .left = options->count};
	SCREEN *terminal;

	setlocale(LC_CTYPE, "");
	terminal = newterm(NULL, stdout, stdin);
	if (!terminal) {
		fprintf(stderr, "strait top: TERM=%s: this terminal is not known: set TERM, or say --batch\n",
			getenv("TERM") ? getenv("TERM") : "");
		return EXIT_USAGE;
	}
	begin_terminal();
	catch_signals();
	screen.answers = top_source_start(source);
	if (screen.answers < 0) {
		endwin();
		fprintf(stderr, "strait top: cannot start a thread: %s\n", strerror(-screen.answers));
		return EXIT_FAILED;
	}
	while (!screen.over && !signal_number) {
		draw(&screen);
		turn(&screen);
	}
	endwin();
	delscreen(terminal);
	/* What has come meanwhile is nobody else's. */
	if (poll(&(struct pollfd){.fd = screen.answers, .events = POLLIN}, 1, 0) == 1)
		top_answer_free(top_source_take(source));
	top_rates_free(&screen.rates);
	top_page_free(&screen.page);
	top_answer_free(screen.last);
	if (signal_number) {
		signal(signal_number, SIG_DFL);
		raise(signal_number);
	}
	return 0;
}
