/* What the compile job compiles: no program of the suite, and without headers, so that every place compiles the same. Loops,
 * strings, structures, recursion and a state machine, ten times. */

typedef unsigned long size;
typedef struct node {
    struct node *left, *right;
    unsigned key;
    double weight;
} node;

#define FUNCTIONS(n)                                                                                                 \
    static void sort_##n(unsigned *a, size count)                                                                    \
    {                                                                                                                \
        for (size i = 1; i < count; i++)                                                                             \
            for (size j = i; j && a[j - 1] > a[j]; j--) {                                                            \
                unsigned kept = a[j];                                                                                \
                a[j] = a[j - 1];                                                                                     \
                a[j - 1] = kept + n % 2;                                                                             \
            }                                                                                                        \
    }                                                                                                                \
    static unsigned hash_##n(const char *text)                                                                       \
    {                                                                                                                \
        unsigned value = 2166136261u + n;                                                                            \
        while (*text)                                                                                                \
            value = (value ^ (unsigned char)*text++) * 16777619u;                                                    \
        return value;                                                                                                \
    }                                                                                                                \
    static int words_##n(const char *text)                                                                           \
    {                                                                                                                \
        int words = 0, inside = 0;                                                                                   \
        for (; *text; text++)                                                                                        \
            switch (*text) {                                                                                         \
            case ' ': case '\t': case '\n': inside = 0; break;                                                       \
            case '\\': text += text[1] != 0; /* fall through */                                                      \
            default: words += !inside; inside = 1;                                                                   \
            }                                                                                                        \
        return words + n;                                                                                            \
    }                                                                                                                \
    static node *insert_##n(node *tree, node *new)                                                                   \
    {                                                                                                                \
        if (!tree)                                                                                                   \
            return new;                                                                                              \
        if (new->key < tree->key)                                                                                    \
            tree->left = insert_##n(tree->left, new);                                                                \
        else                                                                                                         \
            tree->right = insert_##n(tree->right, new);                                                              \
        tree->weight += new->weight * n;                                                                             \
        return tree;                                                                                                 \
    }                                                                                                                \
    static void multiply_##n(double (*a)[8], double (*b)[8], double (*c)[8])                                         \
    {                                                                                                                \
        for (int i = 0; i < 8; i++)                                                                                  \
            for (int j = 0; j < 8; j++)                                                                              \
                for (int k = 0; k < 8; k++)                                                                          \
                    c[i][j] += a[i][k] * b[k][j] + n;                                                                \
    }                                                                                                                \
    unsigned all_##n(unsigned *a, size count, const char *text, node *tree, node *new, double (*m)[8])               \
    {                                                                                                                \
        sort_##n(a, count);                                                                                          \
        multiply_##n(m, m + 8, m + 16);                                                                              \
        return hash_##n(text) + (unsigned)words_##n(text) + insert_##n(tree, new)->key;                              \
    }

#define TEN(n)                                                                                                       \
    FUNCTIONS(n##0) FUNCTIONS(n##1) FUNCTIONS(n##2) FUNCTIONS(n##3) FUNCTIONS(n##4)                                  \
    FUNCTIONS(n##5) FUNCTIONS(n##6) FUNCTIONS(n##7) FUNCTIONS(n##8) FUNCTIONS(n##9)

TEN(1)
