# table.awk - the table of run.sh: medians, ratios, and whether they are what
# is wanted.  Reads what page-costs has printed, then a line for each
# measurement:
#
#     row  who  seconds  CPU seconds  KiB  faults  switches  disturbed
#
# with tabs between.  `who` begins with `gather` or `before` if it is one.

BEGIN {
    FS = "\t"
    columns = split("seconds CPU KiB faults switches disturbed", column, " ")
}

# The kind of machine.
FNR == NR {
    n = split($0, word, " ")
    if (/fresh page of 4 KiB, touched/) page = word[n - 1]
    if (/process, forked and reaped/) fork = word[n - 1]
    next
}

{
    if (!($1 in lines)) row[++rows] = $1
    if (!(($1, $2) in count)) who[$1, ++lines[$1]] = $2
    i = ++count[$1, $2]
    for (c = 1; c <= columns; c++) value[$1, $2, column[c], i] = $(c + 2) + 0
}

# --- Numbers

# The values of a column, sorted, in sorted[1] to sorted[n], which it returns.
function sort(r, w, c,   n, i, j, t) {
    n = count[r, w]
    for (i = 1; i <= n; i++) {
        t = value[r, w, c, i]
        for (j = i - 1; j >= 1 && sorted[j] > t; j--) sorted[j + 1] = sorted[j]
        sorted[j + 1] = t
    }
    return n
}
function median(r, w, c,   n) {
    n = sort(r, w, c)
    return n == 0 ? 0 : (sorted[int((n + 1) / 2)] + sorted[int(n / 2) + 1]) / 2
}
# The largest less the smallest, in percent of the median.
function range(r, w, c,   n, m) {
    m = median(r, w, c)
    n = sort(r, w, c)
    return m > 0 ? 100 * (sorted[n] - sorted[1]) / m : 0
}
function by(a, b) {
    return b > 0 ? a / b : 0
}
# A large number, short.
function short(n) {
    if (n < 9999.5) return sprintf("%d", n + 0.5)
    return n < 999500 ? sprintf("%.0fk", n / 1e3) : sprintf("%.1fM", n / 1e6)
}

# --- Lines

function head(title, more) {
    printf "\n%s\n  %-18s %7s %5s %7s %5s %5s%s\n", title, "", "seconds",
        "range", "CPU s", "pf", "cs", more
}
# What all lines begin with; 54 columns.
function begin(r, w,   mark) {
    mark = median(r, w, "disturbed") > 0 ? "?" : " "
    printf "  %-18s%s%7.3f %4d%% %7.3f %5s %5s", w, mark,
        median(r, w, "seconds"), range(r, w, "seconds"), median(r, w, "CPU"),
        short(median(r, w, "faults")), short(median(r, w, "switches"))
}
function verdict(ok) {
    return ok ? "ok" : "LOST"
}

# --- Rows

# Programs that do the same: how many times as long as gather each one takes.
function race(r,   i, w, t, c, ok) {
    head(title[r], "  ratio    CPU  wanted")
    for (i = 1; i <= lines[r]; i++) {
        w = who[r, i]
        begin(r, w)
        if (w != "gather") {
            t = by(median(r, w, "seconds"), median(r, "gather", "seconds"))
            c = by(median(r, w, "CPU"), median(r, "gather", "CPU"))
            printf " %6.2f %6.2f", t, c
        }
        if ((r, w) in want) {
            ok = t >= want[r, w] && (!((r, w) in both) || c >= want[r, w])
            printf "  %.2f %s", want[r, w], verdict(ok)
        }
        printf "\n"
    }
}

function one_command(   more, most, peer) {
    race("F")
    peer = "xargs -n1"
    if (!(("F", peer) in count)) return
    more = 20 * (median("F", "gather", "seconds") - \
        median("F", peer, "seconds"))
    most = forks_dear ? 2 : 1
    printf "  gather: %.2f ms more for one, wanted <= %d: %s\n", more, most,
        verdict(more <= most)
}

function growth(   i, w, n, each, least, g) {
    head(title["G"], "  us each growth")
    for (i = 1; i <= lines["G"]; i++) {
        w = who["G", i]
        split(w, n, " ")
        each = median("G", w, "seconds") / n[2] * 1e6
        if (!(n[1] in least) || each < least[n[1]]) least[n[1]] = each
        g = by(each, least[n[1]])
        begin("G", w)
        printf " %8.1f %6.2f", each, g
        if (n[1] == "gather") printf "  1.50 %s", verdict(g <= 1.5)
        printf "\n"
    }
}

function through(   i, w, most, peak, part) {
    head(title["H"], "   MB/s    MiB  wanted")
    for (i = 1; i <= lines["H"]; i++) {
        w = who["H", i]
        peak = median("H", w, "KiB") / 1024
        begin("H", w)
        printf " %6.0f %6.1f",
            by(total * 1.048576, median("H", w, "seconds")), peak
        most = w ~ /1M/ ? 9 : 72
        if (w ~ /^gather/) printf "  <= %d %s", most, verdict(peak <= most)
        printf "\n"
    }
    part = by(median("H", "gather", "seconds"),
        median("H", "gather -m 1M", "seconds"))
    printf "  -m 1M has %.2f of the default's rate, wanted 0.80: %s\n", part,
        verdict(part >= 0.8)
}

function items_in_all(   i, w, n, peak, least) {
    head(title["I+"], "  us each    MiB")
    for (i = 1; i <= lines["I+"]; i++) {
        w = who["I+", i]
        split(w, n, " ")
        peak = median("I+", w, "KiB") / 1024
        if (!(n[1] in least)) least[n[1]] = peak
        begin("I+", w)
        printf " %8.1f %6.1f",
            median("I+", w, "seconds") / n[2] * 1e6, peak
        if (n[1] == "gather") printf "  flat %s",
            verdict(peak <= least[n[1]] + 1)
        printf "\n"
    }
}

function behind(   i, w, n, late, peak) {
    head(title["J"], "   late    MiB")
    for (i = 1; i <= lines["J"]; i++) {
        w = who["J", i]
        peak = median("J", w, "KiB") / 1024
        begin("J", w)
        if (split(w, n, "+") == 2) {
            late = median("J", w, "seconds") - n[2]
            printf " %6.2f %6.1f", late, peak
            if (w ~ /^gather/) printf "  72 MiB %s", verdict(peak <= 72)
        }
        printf "\n"
    }
}

function distant(   i, w, n) {
    head(title["K"], "  items/s, of each")
    for (i = 1; i <= lines["K"]; i++) {
        w = who["K", i]
        split(w, n, " ")
        begin("K", w)
        printf " %8.0f %8.0f\n", by(few, median("K", w, "seconds")),
            by(few, median("K", w, "seconds") * n[3])
    }
}

function name_rows() {
    title["A"] = "A. 20 x " size " MiB, filled meanwhile, into arrays"
    title["B"] = "B. 20 x " size " MiB, filled before, into arrays"
    title["C"] = "C. 20 x head -c " size "M /dev/zero, in order, into cat"
    title["D"] = "D. 20 commands that compute, some MB each, into /dev/null"
    title["E"] = "E. " items " x /bin/true, 20 at once"
    title["F"] = "F. one /bin/true (50 of these, one after the other)"
    title["G"] = "G. children of 1000 bytes each, all at once"
    title["H"] = "H. " total " MiB through 20 children, in order"
    title["I"] = "I. items of a few bytes, 20 at once"
    title["I+"] = "   items in all, and what came out is right"
    title["J"] = "J. " quick " quick items behind one of +N seconds"
    title["K"] = "K. " few " items of 1 KiB from 1 ms away, by " wire
    title["K+"] = "   " large " items of 10 MiB from there"
}

# What is wanted of ratios; `both`: of processor time as well.
function set_wishes() {
    want["A", "bare tcp"] = want["B", "bare -r tcp"] = 0.95
    want["B", "MPI_Gatherv tcp"] = 1.5
    want["B", "MPI_Gatherv vader"] = 1.1
    want["C", "bare relay"] = want["C", "bare relay -m 64M"] = 0.95
    want["D", "bare relay -m 64M"] = 0.95
    both["C", "bare relay"] = both["C", "bare relay -m 64M"] = 1
    both["D", "bare relay -m 64M"] = 1
    want["C", "xargs -P20"] = pages_dear ? 0.55 : 0.65
    want["C", "parallel -k"] = want["C", "rust-parallel -k"] = 1.5
    want["C", "rush -k"] = 1.5
    want["C", "parallel -k --lb"] = 1.8
    want["D", "xargs -P20"] = forks_dear ? 0.8 : 0.9
    want["E", "xargs -P20 -n1"] = want["E", "xe -j20"] = 1.3
    want["E", "parallel -j20"] = 5
    want["E", "rust-parallel -j20"] = want["E", "rush -j20"] = 1
    want["K+", "ssh + cat"] = 0.9
}

END {
    pages_dear = page > 6
    forks_dear = fork > 400
    split(far, numbers, " ")
    few = numbers[1]
    large = numbers[2]
    name_rows()
    set_wishes()
    printf "Pages are %s here (%s us), and forks are %s (%s us).\n",
        pages_dear ? "dear" : "cheap", page, forks_dear ? "dear" : "cheap",
        fork
    for (k = 1; k <= rows; k++) {
        r = row[k]
        if (r == "F") one_command()
        else if (r == "G") growth()
        else if (r == "H") through()
        else if (r == "I+") items_in_all()
        else if (r == "J") behind()
        else if (r == "K") distant()
        else race(r)
    }
}
