{# The days of a daily mart, as a subquery with one column `calendar_day`: every day on which a row of the relation was
   created, and every quiet day after the first of them and less than 400 days before the last. `left_out` names the runs
   that were created at a time that cannot be: they have their day, and no say in where the calendar begins and ends. #}
{% macro calendar_days(relation, day, left_out) -%}
    select distinct calendar_day
    from (
        select {{ day }} as calendar_day
        from {{ relation }}

        union all

        select {{ days_later('bounds.last_day', '-numbers.n') }} as calendar_day
        from (
            select
                min({{ day }}) as first_day,
                max({{ day }}) as last_day
            from {{ relation }}
            where run_id not in (select run_id from {{ left_out }})
        ) as bounds
        inner join {{ numbers(399) }} as numbers
            on {{ days_between('bounds.first_day', 'bounds.last_day') }} > numbers.n
    ) as both_sorts
{%- endmacro %}
