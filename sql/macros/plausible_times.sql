{# No run of Statsig's is older than 2015, and none is of the day after tomorrow: such a time is a zero value, a clock or
   a typing error. It is kept as it came, `dq_findings` names it, and nothing is expected or drawn from it. #}

{% macro is_implausible_time(instant, fetched_at) -%}
    ({{ utc_date(instant) }} < cast('2015-01-01' as date)
    or {{ microseconds_between(fetched_at, instant) }} > 172800000000)
{%- endmacro %}


{% macro is_implausible_date(day, fetched_at) -%}
    ({{ day }} < cast('2015-01-01' as date)
    or {{ day }} > {{ days_later(utc_date(fetched_at), 2) }})
{%- endmacro %}


{# The order of buckets and of runs: by creation, then by id, then by date; a creation time that cannot be is the oldest. #}
{% macro newest_first(columns) -%}
    case when ordered_at is null then 1 else 0 end, ordered_at desc
    {%- for column in columns %}, {{ column }} desc{% endfor %}
{%- endmacro %}
